"""The child that extracts documents: limits itself, then serves until its parent is gone.

The parent is `smartypants.extracting`. Run as `python -m smartypants.extractor_process FD`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartypants import confinement, frames, parsing, registry
from smartypants.chunking import clean, clean_line, spans
from smartypants.errors import DocumentError, DocumentTooLarge, DocumentUnreadable
from smartypants.outline import Heading, first_heading
from smartypants.processes import die_with_parent
from smartypants.protocols import Chunker, Parser
from smartypants.types import Mark, ParsedDocument

MAX_LABEL_CHARS = 200
"""Of a page's label and of a metadata key."""
MAX_METADATA = 64
MAX_MESSAGE_CHARS = 1_000

_ANY = 2**63
_CPU_MARGIN_S = 5.0

Head = dict[str, object]


@dataclass(frozen=True, slots=True)
class Extractor:
    """Parsers and a chunker, and the limits of what they may return."""

    parsers: Mapping[str, Parser]
    chunker: Chunker
    max_text_chars: int
    max_chunks: int
    max_metadata_chars: int
    max_attachments: int
    max_attached_bytes: int

    def answer(self, request: Mapping[str, Any], body: bytes) -> tuple[Head, bytes]:
        """Head and body of the answer to one request. Raises what parsers and chunkers raise."""
        name = request["name"]
        if request["do"] == "split":
            pages = [Mark(offset, label) for offset, label in request["pages"]]
            return self._split(body.decode(), pages, name), b""
        parsed = clean(
            parsing.parse(
                self.parsers,
                body,
                name=name,
                media_type=request["media_type"],
                max_text_chars=self.max_text_chars,
            )
        )
        pages = [Mark(mark.offset, mark.label[:MAX_LABEL_CHARS]) for mark in parsed.pages]
        self._check_attachments(parsed, name)
        head = self._split(parsed.text, pages, name) | self._described(parsed)
        head["pages"] = [(mark.offset, mark.label) for mark in pages]
        head["attachments"] = [
            (item.name[:MAX_LABEL_CHARS], item.media_type, len(item.data))
            for item in parsed.attachments
        ]
        return head, b"".join([parsed.text.encode(), *(item.data for item in parsed.attachments)])

    def _check_attachments(self, parsed: ParsedDocument, name: str) -> None:
        if len(parsed.attachments) > self.max_attachments:
            raise DocumentTooLarge(
                f"{name} has {len(parsed.attachments)} attachments, over {self.max_attachments}.",
                "Raise parsing.attachments.max_count, or split the message.",
            )
        if sum(len(item.data) for item in parsed.attachments) > self.max_attached_bytes:
            raise DocumentTooLarge(
                f"The attachments of {name} have over {self.max_attached_bytes} bytes.",
                "Raise parsing.max_document_bytes, or split the message.",
            )

    def _described(self, parsed: ParsedDocument) -> Head:
        title = parsed.title or clean_line(first_heading(parsed.text) or "") or None
        most = self.max_metadata_chars
        return {
            "title": title and title[:most],
            "metadata": {
                key[:MAX_LABEL_CHARS]: value[:most]
                for key, value in list(parsed.metadata.items())[:MAX_METADATA]
            },
        }

    def _split(self, text: str, pages: list[Mark], name: str) -> Head:
        found = spans(text, pages, self.chunker)
        if not found:
            raise DocumentUnreadable(f"{name} has no text.", "There is nothing to index.")
        if len(found) > self.max_chunks:
            raise DocumentTooLarge(
                f"{name} has {len(found)} chunks, over {self.max_chunks}.",
                "Raise parsing.max_chunks, or split the document.",
            )
        paths: dict[tuple[Heading, ...], int] = {}
        labels: dict[str, int] = {}
        rows = [
            (
                span.start,
                span.end,
                paths.setdefault(span.path, len(paths)),
                paths.setdefault(span.above, len(paths)),
                None if span.page is None else labels.setdefault(span.page, len(labels)),
            )
            for span in found
        ]
        return {"spans": rows, "paths": list(paths), "labels": list(labels)}


def serve(sock: socket.socket, extractor: Extractor, *, cpu_s: float) -> None:
    """Answer requests until the other side closes."""
    while True:
        try:
            head, body = frames.receive(sock, max_head=_ANY, max_body=_ANY, deadline=None)
        except EOFError:
            return
        confinement.allow_cpu(cpu_s)
        request = json.loads(head)
        try:
            answer, text = extractor.answer(request, body)
        except DocumentError as exc:
            answer, text = _error(exc.code, exc.message, exc.hint), b""
        except MemoryError:
            os._exit(1)  # what is left of the heap is not worth trusting
        except Exception as exc:  # noqa: BLE001 - the boundary: one document, recorded by the parent
            message = f"{request['name']} can't be parsed: {type(exc).__name__}: {exc}"
            answer, text = _error(DocumentUnreadable.code, message, ""), b""
        del body
        frames.send(sock, json.dumps(answer, ensure_ascii=False).encode(), text, deadline=None)


def _error(code: str, message: str, hint: str) -> Head:
    texts = (clean_line(item)[:MAX_MESSAGE_CHARS] for item in (code, message, hint))
    return {"error": tuple(texts)}


def _build(description: Mapping[str, Any]) -> Extractor:
    options = description["chunker_options"]
    return Extractor(
        parsing.load_parsers(),
        registry.load("chunkers", description["chunker"])(**options),
        description["max_text_chars"],
        description["max_chunks"],
        description["max_metadata_chars"],
        description["max_attachments"],
        description["max_attached_bytes"],
    )


def main() -> None:
    die_with_parent()
    sock = socket.socket(fileno=int(sys.argv[1]))
    head, _ = frames.receive(sock, max_head=_ANY, max_body=0, deadline=None)
    description = json.loads(head)
    confinement.limit_memory(description["memory_bytes"])
    hello: Head = {"ready": True}
    try:
        extractor = _build(description)
        confinement.leave_network()
        confinement.limit_files()
    except Exception as exc:  # noqa: BLE001 - the parent raises it, with what to do
        hello = {"error": f"{type(exc).__name__}: {exc}"[:MAX_MESSAGE_CHARS]}
    frames.send(sock, json.dumps(hello).encode(), b"", deadline=None)
    if "error" not in hello:
        serve(sock, extractor, cpu_s=description["timeout_s"] + _CPU_MARGIN_S)


if __name__ == "__main__":
    main()
