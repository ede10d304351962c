"""One small document of each format, made by hand or by the libraries that write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from tests.pdfs import make_pdf

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def packed(members: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def docx(body: str, *, core: str | None = None, **members: str) -> bytes:
    """A Word document of one part; `body` is what stands in `w:body`."""
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/relationships/officeDocument" Target="word/document.xml"/>'
        "</Relationships>",
        "word/document.xml": f'<w:document xmlns:w="{WORD}" xmlns:m="{office}/math">'
        f"<w:body>{body}</w:body></w:document>",
    }
    if core is not None:
        parts["docProps/core.xml"] = core
    return packed(parts | members)


def paragraph(text: str, style: str | None = None) -> str:
    named = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{named}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def docx_table(*rows: tuple[str, ...]) -> str:
    cells = ["".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows]
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def core(title: str) -> str:
    return (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
        'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title></cp:coreProperties>"
    )


def epub(chapters: Mapping[str, str], *, title: str = "The book", **members: str) -> bytes:
    """A book; `chapters` maps file names to the contents of `body`, in reading order."""
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
        'container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/'
        f'dc/elements/1.1/"><metadata><dc:title>{title}</dc:title></metadata><manifest>{items}'
        '<item id="nav" href="nav.xhtml" properties="nav"/></manifest>'
        f'<spine><itemref idref="nav"/>{spine}<itemref idref="nobody"/></spine></package>',
        "OEBPS/nav.xhtml": "<html><body>Contents</body></html>",
    }
    parts |= {
        f"OEBPS/{name}": f"<!DOCTYPE html><html><head></head><body>{body}</body></html>"
        for name, body in chapters.items()
    }
    return packed(parts | members)


def sample_docx() -> bytes:
    body = (
        paragraph("Handbook", "Title")
        + paragraph("Leave", "Heading1")
        + paragraph("Days may be carried over.")
        + docx_table(("Year", "Days"), ("2024", "30"))
    )
    return docx(body, core=core("The handbook"))


def sample_pdf() -> bytes:
    body = "The quick brown fox jumps over the lazy dog, again and again."
    pages = [
        [(24, "Annual Report"), *[(10, body)] * 8],
        [(16, "Second Part"), *[(10, body)] * 8],
    ]
    return make_pdf(pages, title="Report 2024")


def sample_pptx() -> bytes:
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    show = Presentation()
    show.core_properties.title = "Quarterly"
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Results\nof the year"
    frame = first.placeholders[1].text_frame
    frame.text = "Revenue grew"
    below = frame.add_paragraph()
    below.text, below.level = "by nine per cent", 1
    first.notes_slide.notes_text_frame.text = "Thank the team."
    second = show.slides.add_slide(show.slide_layouts[6])
    box = (Inches(1), Inches(1), Inches(4), Inches(2))
    table = second.shapes.add_table(2, 2, *box).table
    for row, words in enumerate((("Region", "Sales"), ("North", "7"))):
        for column, word in enumerate(words):
            table.cell(row, column).text = word
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("Visitors", (3, 5))
    second.shapes.add_chart(XL_CHART_TYPE.PIE, Inches(1), Inches(4), Inches(4), Inches(2), data)
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(*box).text_frame.text = "In a group"
    out = io.BytesIO()
    show.save(out)
    return out.getvalue()


def sample_xlsx() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.properties.title = "Budget"
    first = book.active
    first.title = "Costs"
    for row in (["Item", "Euro", None], ["Rent", 1200.0, None], [None, None, None], ["A|B", 1.5]):
        first.append(row)
    book.create_sheet("Empty")
    book.create_sheet("More").append(["Only", "head"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def sample_epub() -> bytes:
    end = "<h1>End</h1><p>They went home.</p>"
    chapters = {
        "one.xhtml": "<h1>Beginning</h1><p>It was a dark night.</p>",
        "a%20b.xhtml": "never read: the name in the archive is unquoted",
    }
    return epub(chapters, **{"OEBPS/a b.xhtml": end})


SAMPLE_EML = b"""From: Ann <ann@example.com>\r
To: Bob <bob@example.com>\r
Subject: =?utf-8?q?Caf=C3=A9_at_noon?=\r
Date: Mon, 1 Jan 2024 10:00:00 +0000\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=XX\r
\r
--XX\r
Content-Type: text/plain; charset=utf-8\r
\r
First line.\r
\r
\r
\r
Second line.\r
--XX\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename="menu.pdf"\r
\r
%PDF\r
--XX--\r
"""

SAMPLE_HTML = b"""<!doctype html><html><head><title>A &amp;
 page</title><style>x{}</style></head><body><nav>Menu</nav><h1>Head</h1><p>A <b>bold</b> word.</p>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<script>alert(1)</script><footer>Imprint</footer></body></html>"""
