"""ZIP archives: bombs, lies and nesting; and how to pack and repack them."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.hostile.bombs import Bombs, Count

HANDBOOK: Final = Path(__file__).resolve().parents[2] / "examples" / "handbook"
DOCX, PPTX, XLSX, EPUB = (
    "parental-leave.docx",
    "onboarding.pptx",
    "price-list.xlsx",
    "reading-the-sea.epub",
)


def packed(members: Mapping[str, bytes]) -> bytes:
    """A ZIP archive; a member has no date, so that the same members give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


def repacked(file: str, members: Mapping[str, bytes]) -> bytes:
    """A file of the sample corpus with some members replaced or added."""
    with zipfile.ZipFile(HANDBOOK / file) as archive:
        old = {item.filename: archive.read(item) for item in archive.infolist()}
    return packed({**old, **members})


def member(file: str, name: str) -> bytes:
    with zipfile.ZipFile(HANDBOOK / file) as archive:
        return archive.read(name)


def member_like(file: str, member: str) -> str:
    """The member itself, or the one of the archive that ends like it."""
    with zipfile.ZipFile(HANDBOOK / file) as archive:
        names = archive.namelist()
    same = [name for name in names if name.endswith(Path(member).suffix)]
    return member if member in names or not same else same[-1]


def bombs(n: Count) -> Bombs:
    def nested(depth: int) -> bytes:
        data = b"words"
        for level in range(depth):
            data = packed({f"{level}.zip": data, "word/document.xml": b"<x/>"})
        return data

    def lying(size: int) -> bytes:
        """The central directory says that members are small."""
        data = bytearray(packed({"word/document.xml": b" " * n(20_000_000)}))
        at = data.rindex(b"PK\x01\x02")
        data[at + 24 : at + 28] = struct.pack("<I", size)
        return bytes(data)

    def overlapping() -> bytes:
        """Many entries that share one piece of packed data."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("word/document.xml", b" " * n(5_000_000))
            for number in range(n(300)):
                info = zipfile.ZipInfo(f"{number}.xml")
                first = archive.filelist[0]
                info.compress_type, info.CRC = first.compress_type, first.CRC
                info.header_offset = first.header_offset
                info.file_size, info.compress_size = first.file_size, first.compress_size
                archive.filelist.append(info)
        return out.getvalue()

    epub = b"application/epub+zip"
    return {
        "nested.docx": lambda: nested(n(50)),
        "nested.zip": lambda: packed({f"{i}.zip": nested(10) for i in range(10)}),
        "bomb.docx": lambda: packed({"word/document.xml": b" " * n(40_000_000)}),
        "bomb.xlsx": lambda: repacked(XLSX, {"xl/sharedStrings.xml": b"\x00" * n(40_000_000)}),
        "bomb-spread.pptx": lambda: repacked(
            PPTX, {f"ppt/media/{i}.xml": b" " * 9_000_000 for i in range(n(20))}
        ),
        "mimetype.epub": lambda: packed({"mimetype": epub + b" " * n(100_000_000)}),
        "members.docx": lambda: packed({f"{i}": b"" for i in range(n(6_000))}),
        "lying-small.docx": lambda: lying(10),
        "lying-zero.docx": lambda: lying(0),
        "lying-large.docx": lambda: lying(2**32 - 2),
        "overlapping.docx": overlapping,
        "traversal.docx": lambda: repacked(DOCX, {"../../../../tmp/x": b"x", "/etc/x": b"x"}),
        "name.docx": lambda: packed({"a" * 65_000: b" " * n(40_000_000), "word/document.xml": b""}),
        "names.epub": lambda: packed({"mimetype": epub, "\ud7ff\u202e/../": b"x"}),
        "comment.docx": lambda: (HANDBOOK / DOCX).read_bytes()[:-2] + b"\xff\xff" + b"P" * 65_535,
        "empty.zip": lambda: b"PK\x05\x06" + b"\x00" * 18,
        "headers.docx": lambda: b"PK\x03\x04" * n(50_000),
    }
