"""Text and passages of a document, from a process that hostile documents can't get out of.

Everything that looks at a stranger's bytes or text happens in `smartypants.extractor_process`:
detect, parse, clean, chunk. What it answers is data of limited size, checked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartypants import errors
from smartypants.chunking import Span
from smartypants.errors import DocumentError, DocumentTooLarge, DocumentUnreadable
from smartypants.extractor_process import MAX_LABEL_CHARS, MAX_MESSAGE_CHARS, MAX_METADATA
from smartypants.sandbox import Sandbox, SandboxLimits
from smartypants.types import Attachment, Mark

Options = Mapping[str, str | int | float | bool | None]

MAX_PAGES = 1_000_000

_HEAD_BYTES = 16 * 2**20
_HEAD_BYTES_PER_CHUNK = 256
_UTF8_BYTES = 4


@dataclass(frozen=True, slots=True)
class ChunkerSpec:
    """A chunker as a description: it is built in the process that uses it."""

    kind: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExtractionLimits:
    """What may be made of one document; more is a `DocumentTooLarge`.

    The title and each value of the metadata are cut at `max_metadata_chars` instead. All
    attachments together have `max_attached_bytes` at most.
    """

    max_text_chars: int
    max_chunks: int
    max_metadata_chars: int
    max_attachments: int = 100
    max_attached_bytes: int = 100 * 2**20


@dataclass(frozen=True, slots=True)
class Extraction:
    """A document's clean text, and what is known of it."""

    text: str
    spans: tuple[Span, ...]
    title: str | None = None
    pages: tuple[Mark, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


class IsolatedExtractor:
    """Extracts documents in a child process, under limits on time, memory and output.

    >>> extractor = IsolatedExtractor(chunker, limits, timeout_s=60, memory_bytes=2**32)
    >>> extractor.extract(data, name="report.pdf").title
    """

    def __init__(
        self,
        chunker: ChunkerSpec,
        limits: ExtractionLimits,
        *,
        timeout_s: float,
        memory_bytes: int,
        max_requests: int = 1_000,
        recycle_rss_bytes: int = 2**30,
    ) -> None:
        self._limits = limits
        self._sandbox = Sandbox(
            "smartypants.extractor_process",
            {
                "chunker": chunker.kind,
                "chunker_options": dict(chunker.options),
                "max_text_chars": limits.max_text_chars,
                "max_chunks": limits.max_chunks,
                "max_metadata_chars": limits.max_metadata_chars,
                "max_attachments": limits.max_attachments,
                "max_attached_bytes": limits.max_attached_bytes,
            },
            SandboxLimits(
                timeout_s=timeout_s,
                memory_bytes=memory_bytes,
                max_head_bytes=_HEAD_BYTES + _HEAD_BYTES_PER_CHUNK * limits.max_chunks,
                max_body_bytes=_UTF8_BYTES * limits.max_text_chars + limits.max_attached_bytes,
                max_requests=max_requests,
                recycle_rss_bytes=recycle_rss_bytes,
            ),
        )

    @property
    def pid(self) -> int | None:
        """The child's, while there is one."""
        return self._sandbox.pid

    def extract(self, data: bytes, *, name: str, media_type: str | None = None) -> Extraction:
        """Detect, parse, clean and chunk.

        Raises `DocumentError` for a document that can't be extracted within the limits, and
        `SetupError` if the child can't be started.
        """
        request = {"do": "extract", "name": name, "media_type": media_type}
        head, body = self._sandbox.call(request, data, name=name)
        answer = self._checked(head, name)
        attachments = self._attachments(answer, body, name)
        length = len(body) - sum(len(item.data) for item in attachments)
        try:
            text = body[:length].decode("utf-8")
        except UnicodeDecodeError as exc:
            raise self._nonsense(name) from exc
        return Extraction(
            text,
            self._spans(answer, len(text), name),
            answer.title,
            self._pages(answer, len(text), name),
            answer.metadata,
            attachments,
        )

    def split(self, text: str, pages: Sequence[Mark] = (), *, name: str) -> tuple[Span, ...]:
        """Chunk a text that was extracted before, as it is. Raises the same."""
        request = {
            "do": "split",
            "name": name,
            "pages": [(mark.offset, mark.label) for mark in pages],
        }
        head, _ = self._sandbox.call(request, text.encode("utf-8", "replace"), name=name)
        return self._spans(self._checked(head, name), len(text), name)

    def close(self) -> None:
        """End the child; the next call starts another."""
        self._sandbox.close()

    def _checked(self, head: bytes, name: str) -> _Answer:
        try:
            answer = _Answer.model_validate_json(head)
        except ValidationError as exc:
            raise self._nonsense(name) from exc
        if answer.error is not None:
            raise _document_error(*answer.error)
        return answer

    def _spans(self, answer: _Answer, length: int, name: str) -> tuple[Span, ...]:
        if len(answer.spans) > self._limits.max_chunks:
            raise DocumentTooLarge(f"{name} has over {self._limits.max_chunks} chunks.")
        spans: list[Span] = []
        free = 0
        for start, end, path, above, page in answer.spans:
            if not free <= start < end <= length:
                raise self._nonsense(name)
            free = end
            try:
                label = None if page is None else answer.labels[page]
                spans.append(Span(start, end, answer.paths[path], answer.paths[above], label))
            except IndexError as exc:
                raise self._nonsense(name) from exc
        return tuple(spans)

    def _pages(self, answer: _Answer, length: int, name: str) -> tuple[Mark, ...]:
        offsets = [offset for offset, _ in answer.pages]
        if offsets != sorted(offsets) or any(offset > length for offset in offsets):
            raise self._nonsense(name)
        return tuple(Mark(offset, label) for offset, label in answer.pages)

    def _attachments(self, answer: _Answer, body: bytes, name: str) -> tuple[Attachment, ...]:
        """They stand behind the text, in their order."""
        found: list[Attachment] = []
        start = len(body) - sum(size for *_, size in answer.attachments)
        if start < 0 or len(answer.attachments) > self._limits.max_attachments:
            raise self._nonsense(name)
        for label, media_type, size in answer.attachments:
            found.append(Attachment(label, media_type, body[start : start + size]))
            start += size
        return tuple(found)

    def _nonsense(self, name: str) -> DocumentUnreadable:
        """Nothing that the process says is believed from here on."""
        self.close()
        return DocumentUnreadable(
            f"The parsing process answered nonsense for {name}.",
            "If the document is sound, please report it.",
        )


_Label = Annotated[str, Field(max_length=MAX_LABEL_CHARS)]
_Index = Annotated[int, Field(ge=0)]
_Level = Annotated[int, Field(ge=1, le=6)]
_Path = Annotated[tuple[tuple[_Level, _Label], ...], Field(max_length=6)]
_Message = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]


class _Answer(BaseModel):
    """What the child says of a document; paths and labels are named by their index."""

    model_config = ConfigDict(extra="forbid", strict=True)

    error: tuple[_Label, _Message, _Message] | None = None
    title: str | None = None
    metadata: Annotated[dict[_Label, str], Field(max_length=MAX_METADATA)] = {}
    pages: Annotated[list[tuple[_Index, _Label]], Field(max_length=MAX_PAGES)] = []
    paths: list[_Path] = []
    labels: list[_Label] = []
    spans: list[tuple[_Index, _Index, _Index, _Index, _Index | None]] = []
    attachments: list[tuple[_Label, _Label, _Index]] = []


def _document_error(code: str, message: str, hint: str) -> DocumentError:
    for kind in (errors.DocumentTooLarge, errors.DocumentTimeout):
        if kind.code == code:
            return kind(message, hint)
    return DocumentUnreadable(message, hint)
