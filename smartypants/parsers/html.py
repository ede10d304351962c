"""HTML pages."""

from __future__ import annotations

import re

from smartypants.media_types import HTML
from smartypants.parsers import _markdown
from smartypants.parsers.text import decode
from smartypants.types import ParsedDocument

_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


class HtmlParser:
    """The readable part of a page as Markdown."""

    media_types = (HTML,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        source = _decode(data)
        text = _markdown.from_html(source, name=name)
        return ParsedDocument(text, title=_markdown.html_title(source))


def _decode(data: bytes) -> str:
    declared = _CHARSET.search(data[:4096])
    if declared:
        try:
            return data.decode(declared[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            pass  # declared wrongly, as often happens: look at the bytes instead
    return decode(data)


PLUGIN = HtmlParser
