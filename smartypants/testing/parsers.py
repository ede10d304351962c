"""What any `Parser` does."""

from __future__ import annotations

import pickle
import re

from smartypants.errors import DocumentError
from smartypants.protocols import Parser
from smartypants.types import ParsedDocument


class ParserContract:
    """What any `Parser` does.

    Give the fixtures `parser` and `sample`: a whole document of its format and the media type.
    """

    def test_names_its_media_types(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        assert sample[1] in parser.media_types
        assert all(re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", item) for item in parser.media_types)

    def test_same_bytes_same_result(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        first, again = _parse(parser, *sample), _parse(parser, *sample)
        assert first == again == pickle.loads(pickle.dumps(first))
        assert first.text.strip()
        assert first.title is None or first.title.strip()

    def test_page_marks_are_in_order(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        parsed = _parse(parser, *sample)
        offsets = [mark.offset for mark in parsed.pages]
        assert offsets == sorted(set(offsets))
        assert all(0 <= offset < len(parsed.text) for offset in offsets)
        assert all(mark.label for mark in parsed.pages)

    def test_truncated(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        data, media_type = sample
        for share in range(10):
            _parse_or_refuse(parser, data[: len(data) * share // 10], media_type)

    def test_damaged(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        data, media_type = sample
        for start in range(0, len(data), max(len(data) // 20, 1)):
            damaged = bytearray(data)
            damaged[start : start + 8] = bytes(255 - byte for byte in damaged[start : start + 8])
            _parse_or_refuse(parser, bytes(damaged), media_type)

    def test_something_else(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        for data in (b"", b"plain words", bytes(range(256)), b"PK\x03\x04" * 9, b"<a><b>"):
            _parse_or_refuse(parser, data, sample[1])


def _parse(parser: Parser, data: bytes, media_type: str) -> ParsedDocument:
    return parser.parse(data, name="sample", media_type=media_type)


def _parse_or_refuse(parser: Parser, data: bytes, media_type: str) -> None:
    try:
        assert isinstance(_parse(parser, data, media_type).text, str)
    except DocumentError:
        return
