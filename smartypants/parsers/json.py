"""JSON documents, and JSON lines: one `path: value` a line, a paragraph for each record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.media_types import JSON, JSON_LINES
from smartypants.parsers.text import decode
from smartypants.types import ParsedDocument

MAX_CHARS = 200_000_000


class JsonParser:
    """Flattens objects, so that each value stands beside its names."""

    media_types = (JSON, JSON_LINES)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        text = decode(data)
        try:
            if media_type == JSON_LINES:
                records = [json.loads(line) for line in text.split("\n") if line.strip()]
            else:
                value = json.loads(text)
                records = value if isinstance(value, list) else [value]
            blocks = _blocks(records, name)
        except (ValueError, RecursionError) as exc:
            raise DocumentUnreadable(f"{name} is not valid JSON: {exc}.", "Check it.") from exc
        first = records[0] if len(records) == 1 else None
        title = first.get("title") if isinstance(first, dict) else None
        return ParsedDocument(
            "\n\n".join(block for block in blocks if block),
            title=title if isinstance(title, str) else None,
        )


def _blocks(records: list[Any], name: str) -> list[str]:
    """A paragraph a record. Names are repeated for each value, so the text may outgrow the file."""
    blocks: list[str] = []
    chars = 0
    for record in records:
        lines: list[str] = []
        for line in _lines(record):
            chars += len(line)
            if chars > MAX_CHARS:
                raise DocumentTooLarge(
                    f"{name} has over {MAX_CHARS} characters with the names of its values.",
                    "Split it, or shorten the names.",
                )
            lines.append(line)
        blocks.append("\n".join(lines))
    return blocks


def _lines(record: Any) -> Iterator[str]:
    # A stack of our own: with one generator a level, each line would cost the depth.
    todo = [("", record)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict):
            below = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
            todo += reversed(below)
        elif isinstance(value, list):
            todo += ((path, item) for item in reversed(value))
        elif value is not None and value != "":
            yield f"{path}: {value}" if path else str(value)


PLUGIN = JsonParser
