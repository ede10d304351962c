"""JSON documents, and JSON lines: one `path: value` a line, a paragraph for each record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from smartypants.errors import DocumentUnreadable
from smartypants.media_types import JSON, JSON_LINES
from smartypants.parsers.text import decode
from smartypants.types import ParsedDocument


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
            blocks = ["\n".join(_lines(record)) for record in records]
        except (ValueError, RecursionError) as exc:
            raise DocumentUnreadable(f"{name} is not valid JSON: {exc}.", "Check it.") from exc
        first = records[0] if len(records) == 1 else None
        title = first.get("title") if isinstance(first, dict) else None
        return ParsedDocument(
            "\n\n".join(block for block in blocks if block),
            title=title if isinstance(title, str) else None,
        )


def _lines(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item, path)
    elif value is not None and value != "":
        yield f"{path}: {value}" if path else str(value)


PLUGIN = JsonParser
