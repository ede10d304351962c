"""Plain text and Markdown, in any common encoding."""

from __future__ import annotations

import re

from smartypants.media_types import MARKDOWN, TEXT
from smartypants.outline import first_heading
from smartypants.types import ParsedDocument

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def decode(data: bytes) -> str:
    """Text from bytes: UTF-8 or what a byte order mark says, else the likeliest encoding."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return unify(data.decode(encoding, "replace"))
    try:
        return unify(data.decode("utf-8"))
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(data[:65_536]).best()
        encoding = best.encoding if best else "utf-8"
        return unify(data.decode(encoding, "replace"))


def unify(text: str) -> str:
    """Line ends as `\\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class TextParser:
    """Keeps the text as it is; a Markdown document's title is its first heading."""

    media_types = (TEXT, MARKDOWN)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        text = decode(data)
        if media_type != MARKDOWN:
            return ParsedDocument(text)
        text = _FRONT_MATTER.sub("", text, count=1)
        return ParsedDocument(text, title=first_heading(text))


PLUGIN = TextParser
