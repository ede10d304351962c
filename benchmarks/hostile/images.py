"""Images far larger than what they unpack from, alone and inside documents."""

from __future__ import annotations

import struct
import zlib

from benchmarks.hostile.archives import DOCX, EPUB, PPTX, repacked
from benchmarks.hostile.bombs import Bombs, Count


def bombs(n: Count) -> Bombs:
    def png(width: int, height: int, data: bytes) -> bytes:
        def part(name: bytes, body: bytes) -> bytes:
            check = zlib.crc32(name + body)
            return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)

        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        packed_data = zlib.compress(data)
        return (
            b"\x89PNG\r\n\x1a\n"
            + part(b"IHDR", head)
            + part(b"IDAT", packed_data)
            + part(b"IEND", b"")
        )

    huge = (2**31 - 1, 2**31 - 1)
    return {
        "huge.png": lambda: png(*huge, b"\x00" * n(10_000_000)),
        "huge-in.docx": lambda: repacked(
            DOCX, {"word/media/image1.png": png(*huge, b"\x00" * 1_000)}
        ),
        "huge-in.pptx": lambda: repacked(
            PPTX, {"ppt/media/image1.png": png(*huge, b"\x00" * 1_000)}
        ),
        "huge-in.epub": lambda: repacked(EPUB, {"OEBPS/cover.png": png(*huge, b"\x00" * 1_000)}),
        "jpeg-as.pdf": lambda: b"\xff\xd8\xff\xe0" + b"%PDF-" + b"\xff" * n(10_000),
        "svg.html": lambda: b"<svg>" + b"<use href='#a'/>" * n(20_000) + b"</svg>words",
        "gif.txt": lambda: b"GIF89a\xff\xff\xff\xff" + b"\x2c" * n(1_000),
        "tiff.docx": lambda: b"II*\x00" + b"\xff" * n(1_000),
    }
