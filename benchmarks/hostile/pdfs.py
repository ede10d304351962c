"""PDF files: loops, claims, and forms that draw each other."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from benchmarks.hostile.bombs import Bombs, Count


def pdf(objects: Sequence[bytes], trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A PDF of these objects, numbered from 1, with a sound table of references."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        trailer,
        table,
    )
    return bytes(out)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


_CATALOG: Final = b"<< /Type /Catalog /Pages 2 0 R >>"
_FONT: Final = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def _page(content: bytes, *more: bytes, resources: bytes = b"", entries: bytes = b"") -> bytes:
    """A document of one page; objects from number 6 on are `more`."""
    return pdf(
        [
            _CATALOG,
            b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
            _FONT,
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources "
            b"<< /Font << /F1 3 0 R >> %s >> >>" % resources,
            stream(content, entries),
            *more,
        ]
    )


def bombs(n: Count) -> Bombs:
    words = b"BT /F1 12 Tf 50 700 Td (words) Tj ET"

    def tree(kids: bytes, count: int = 1) -> bytes:
        return pdf([_CATALOG, b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count), _FONT])

    def forms(width: int, depth: int) -> bytes:
        """Each form draws the next one many times."""
        more = []
        for level in range(depth):
            inner = (b"/X Do " * width) if level < depth - 1 else words
            resources = b"/Font << /F1 3 0 R >> /XObject << /X %d 0 R >>" % (7 + level)
            more.append(
                stream(
                    inner,
                    b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << %s >>"
                    % resources,
                )
            )
        return _page(b"/X Do", *more, resources=b"/XObject << /X 6 0 R >>")

    def pages(count: int) -> bytes:
        kids = b" ".join(b"%d 0 R" % (5 + i) for i in range(count))
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
        top = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count)
        return pdf([_CATALOG, top, _FONT, stream(words), *[page] * count])

    def image(width: int, entries: bytes, data: bytes) -> bytes:
        head = b"/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8 "
        return _page(
            words + b" q 9 0 0 9 0 0 cm /X Do Q",
            stream(data, head % (width, width) + b"/ColorSpace /DeviceRGB " + entries),
            resources=b"/XObject << /X 6 0 R >>",
        )

    flate = b"/Filter /FlateDecode"
    return {
        "kids-loop.pdf": lambda: tree(b"2 0 R"),
        "kids-loop-many.pdf": lambda: tree(b"2 0 R " * n(1_000), n(1_000)),
        "kids-missing.pdf": lambda: tree(b"9 0 R", 1),
        "count.pdf": lambda: tree(b"", 2**31 - 1),
        "count-million.pdf": lambda: tree(b"", 1_000_000),
        "count-negative.pdf": lambda: tree(b"9 0 R", -1),
        "catalog-loop.pdf": lambda: pdf([b"1 0 R"]),
        "parent-loop.pdf": lambda: pdf(
            [
                _CATALOG,
                b"<< /Type /Pages /Kids [3 0 R] /Count 1 /Parent 2 0 R >>",
                b"<< /Type /Page /Parent 2 0 R /Contents 3 0 R >>",
            ]
        ),
        "length-loop.pdf": lambda: pdf(
            [
                _CATALOG,
                b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
                _FONT,
                b"<< /Type /Page /Parent 2 0 R /Contents 5 0 R >>",
                b"<< /Length 5 0 R >>\nstream\nBT ET\nendstream",
            ]
        ),
        "prev-loop.pdf": lambda: pdf(
            [_CATALOG, b"<< /Kids [] /Count 0 >>"], b"/Root 1 0 R /Prev 9"
        ),
        "forms.pdf": lambda: forms(10, 12),
        "forms-loop.pdf": lambda: _page(
            b"/X Do",
            stream(
                b"/X Do /X Do",
                b"/Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>",
            ),
            resources=b"/XObject << /X 6 0 R >>",
        ),
        "flate.pdf": lambda: _page(zlib.compress(b" " * n(50_000_000) + words), entries=flate),
        "flate-twice.pdf": lambda: _page(
            zlib.compress(zlib.compress(b" " * n(100_000_000))),
            entries=b"/Filter [/FlateDecode /FlateDecode]",
        ),
        "filters.pdf": lambda: _page(
            words, entries=b"/Filter [" + b"/ASCIIHexDecode " * n(2_000) + b"]"
        ),
        "predictor.pdf": lambda: _page(
            zlib.compress(words),
            entries=flate + b" /DecodeParms << /Predictor 15 /Columns 2147483647 /Colors 32 >>",
        ),
        "image.pdf": lambda: image(30_000, flate, zlib.compress(b"\x00" * n(10_000_000))),
        "image-lies.pdf": lambda: image(2**31 - 1, b"", b"\x00"),
        "arrays.pdf": lambda: _page(b"[" * n(100_000) + words),
        "dicts.pdf": lambda: _page(b"<<" * n(100_000) + words),
        "object-arrays.pdf": lambda: pdf([_CATALOG, b"[" * n(100_000)]),
        "object-dicts.pdf": lambda: pdf([_CATALOG, b"<< /Kids " * n(100_000)]),
        "saves.pdf": lambda: _page(b"q " * n(200_000) + words),
        "lines.pdf": lambda: _page(b"BT /F1 1 Tf " + b"0 1 Td (a) Tj " * n(30_000) + b"ET"),
        "text.pdf": lambda: _page(b"BT /F1 12 Tf (" + b"a" * n(300_000) + b") Tj ET"),
        "sizes.pdf": lambda: _page(
            b"BT "
            + b"".join(b"/F1 %d.5 Tf 0 9 Td (words) Tj " % i for i in range(n(3_000)))
            + b"ET"
        ),
        "size-huge.pdf": lambda: _page(b"BT /F1 1e38 Tf 1e38 0 0 1e38 1e38 1e38 Tm (words) Tj ET"),
        "matrix.pdf": lambda: _page(b"BT /F1 0 Tf 0 0 0 0 0 0 Tm (words) Tj ET " + words),
        "pages.pdf": lambda: pages(n(2_000)),
        "outside.pdf": lambda: _page(b"BT /F1 9 Tf 99999999 -99999999 Td (words) Tj ET " + words),
        "names.pdf": lambda: _page(b"/" + b"#41" * n(100_000) + b" Do " + words),
        "comment.pdf": lambda: b"%PDF-1.7\n" + b"% a\n" * n(200_000),
        "objects.pdf": lambda: b"%PDF-1.7\n" + b"1 0 obj\n<<>>\nendobj\n" * n(50_000),
        "xref.pdf": lambda: (
            b"%PDF-1.7\nxref\n0 99999999\n"
            + b"0000000000 65535 f \n" * n(5_000)
            + b"trailer\n<< /Root 1 0 R /Size 99999999 >>\nstartxref\n9\n%%EOF"
        ),
        "title.pdf": lambda: pdf(
            [
                _CATALOG,
                b"<< /Type /Pages /Kids [] /Count 0 >>",
                b"<< /Title (" + b"t" * n(500_000) + b") >>",
            ],
            b"/Root 1 0 R /Info 3 0 R",
        ),
        "marker.txt": lambda: b"words %PDF- words " * 10,
    }
