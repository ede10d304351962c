"""Makes small, valid PDF files: pages of lines in Helvetica, each in its own size."""

from __future__ import annotations

from collections.abc import Sequence

Line = tuple[float, str]


def make_pdf(
    pages: Sequence[Sequence[Line]],
    *,
    title: str | None = None,
    encrypted: bool = False,
    **info: str,
) -> bytes:
    """A PDF 1.4 file; an encrypted one asks for a password that nobody knows."""
    first_page = 4
    kids = " ".join(f"{first_page + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages):
        content = _content(lines)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents "
            f"{first_page + 2 * number + 1} 0 R /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    trailer = b"/Root 1 0 R"
    if title is not None:
        info["Title"] = title
    if info:
        entries = " ".join(f"/{key} ({_escaped(value)})" for key, value in info.items())
        objects.append(f"<< {entries} >>".encode("cp1252"))
        trailer += b" /Info %d 0 R" % len(objects)
    if encrypted:
        key = b"<" + b"5a" * 32 + b">"
        objects.append(b"<< /Filter /Standard /V 1 /R 2 /O %s /U %s /P -4 >>" % (key, key))
        trailer += b" /Encrypt %d 0 R /ID [<00> <00>]" % len(objects)
    return _file(objects, trailer)


def _content(lines: Sequence[Line]) -> bytes:
    out = ["BT"]
    at = 800.0
    for size, text in lines:
        out.append(f"/F1 {size} Tf 1 0 0 1 50 {at:.1f} Tm ({_escaped(text)}) Tj")
        at -= 1.6 * size
    return "\n".join([*out, "ET"]).encode("cp1252")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _file(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d %s >>\n" % (len(objects) + 1, trailer)
    out += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(out)
