"""Bytes of any known format → Markdown, by the parser of that format.

This runs in a process of its own; `smartypants.extracting` is the way in.
"""

from __future__ import annotations

from collections.abc import Mapping

from smartypants import media_types, registry
from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.protocols import Parser
from smartypants.types import ParsedDocument


def load_parsers() -> dict[str, Parser]:
    """Every parser plugin, by media type."""
    plugins: list[Parser] = [registry.load("parsers", name)() for name in registry.names("parsers")]
    return {media_type: parser for parser in plugins for media_type in parser.media_types}


def parse(
    parsers: Mapping[str, Parser],
    data: bytes,
    *,
    name: str,
    media_type: str | None,
    max_text_chars: int,
) -> ParsedDocument:
    """The document as Markdown; `media_type` is what its source says of it.

    Raises `DocumentError`, and whatever a parser that has a bug raises.
    """
    detected = media_types.detect(data, name=name, declared=media_type)
    parsed = parsers[detected].parse(data, name=name, media_type=detected)
    if len(parsed.text) > max_text_chars:
        raise DocumentTooLarge(
            f"{name} has {len(parsed.text)} characters of text, over {max_text_chars}.",
            "Raise parsing.max_text_chars, or split the document.",
        )
    if not parsed.text.strip():
        raise DocumentUnreadable(f"{name} has no text.", "There is nothing to index.")
    return parsed
