"""Office documents and books: sizes that they claim, nesting, and formulas left open."""

from __future__ import annotations

import io
import zipfile

from benchmarks.hostile.archives import (
    DOCX,
    PPTX,
    XLSX,
    member,
    member_like,
    packed,
    repacked,
)
from benchmarks.hostile.bombs import Bombs, Count


def bombs(n: Count) -> Bombs:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006"
    sheet = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

    def docx(body: str) -> bytes:
        head = f'<w:document xmlns:w="{word}" xmlns:m="{office}/math">'
        text = f"{head}<w:body>{body}</w:body></w:document>"
        return repacked(DOCX, {"word/document.xml": text.encode()})

    def xlsx(rows: str, before: str = "") -> bytes:
        text = f'<worksheet xmlns="{sheet}">{before}<sheetData>{rows}</sheetData></worksheet>'
        return repacked(XLSX, {member_like(XLSX, "xl/worksheets/sheet1.xml"): text.encode()})

    def run(text: str) -> str:
        return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"

    def nested(count: int, opening: str, inside: str, closing: str) -> str:
        return opening * count + inside + closing * count

    table = ("<w:tbl><w:tr><w:tc>", "<w:p/></w:tc></w:tr></w:tbl>")
    span = (
        '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="{}"/></w:tcPr><w:p/></w:tc></w:tr></w:tbl>'
    )
    cell = '<c r="{}" t="inlineStr"><is><t>words</t></is></c>'

    def groups(depth: int) -> bytes:
        slide = member_like(PPTX, "ppt/slides/slide1.xml")
        opening = (
            b'<p:grpSp><p:nvGrpSpPr><p:cNvPr id="9" name="g"/><p:cNvGrpSpPr/><p:nvPr/>'
            b"</p:nvGrpSpPr><p:grpSpPr/>"
        )
        source = member(PPTX, slide).replace(
            b"</p:spTree>", opening * depth + b"</p:grpSp>" * depth + b"</p:spTree>"
        )
        return repacked(PPTX, {slide: source})

    def book(spine: str, chapter: str) -> bytes:
        container = (
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="b.opf"/></rootfiles></container>'
        )
        package = (
            '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
            f'<item id="a" href="a.xhtml"/></manifest><spine>{spine}</spine></package>'
        )
        members = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
        return packed(
            {k: v.encode() for k, v in (members | {"b.opf": package, "a.xhtml": chapter}).items()}
        )

    return {
        "math-open.docx": lambda: docx(run("words") + "<m:oMath>" * n(20_000)),
        "math-open-tag.docx": lambda: docx("<m:oMath> " + "<m:oMathPara " * n(20_000)),
        "math-texts.docx": lambda: docx("<m:oMath>" + "<m:t " * n(20_000) + "</m:oMath>"),
        "math-many.docx": lambda: docx(
            "<w:p>" + "<m:oMath><m:r><m:t>a</m:t></m:r></m:oMath>" * n(10_000) + "</w:p>"
        ),
        "tables.docx": lambda: docx(nested(n(150), table[0], run("words"), table[1])),
        "tables-deep.docx": lambda: docx(nested(n(5_000), table[0], run("words"), table[1])),
        "grid-span.docx": lambda: docx(run("words") + span.format(1_000_000_000)),
        "paragraphs.docx": lambda: docx(run("words") * n(20_000)),
        "runs.docx": lambda: docx("<w:p>" + "<w:r><w:t>a</w:t></w:r>" * n(30_000) + "</w:p>"),
        "text.docx": lambda: docx(run("a" * n(2_000_000))),
        "hyperlinks.docx": lambda: docx(
            "<w:p>" + nested(n(2_000), "<w:hyperlink>", "", "</w:hyperlink>") + "</w:p>"
        ),
        "insertions.docx": lambda: docx(
            "<w:p>"
            + nested(n(900), "<w:ins>", "<w:r><w:t>words</w:t></w:r>", "</w:ins>")
            + "</w:p>"
        ),
        "row-number.xlsx": lambda: xlsx(f'<row r="1000000000">{cell.format("A1000000000")}</row>'),
        "row-numbers.xlsx": lambda: xlsx(
            "".join(
                f'<row r="{i}">{cell.format(f"A{i}")}</row>' for i in range(1_000, 1_000_000, 1_000)
            )
        ),
        "row-back.xlsx": lambda: xlsx(f'<row r="9">{cell.format("A9")}</row><row r="-5"></row>'),
        "column.xlsx": lambda: xlsx(f'<row r="1">{cell.format("XFD1")}</row>' * n(500)),
        "column-odd.xlsx": lambda: xlsx(f'<row r="1">{cell.format("ZZZZZZ1")}</row>'),
        "dimension.xlsx": lambda: xlsx(
            f'<row r="1">{cell.format("A1")}</row>', '<dimension ref="A1:XFD1048576"/>'
        ),
        "cells.xlsx": lambda: xlsx(f"<row>{cell.format('A1')}</row>" * n(30_000)),
        "shared.xlsx": lambda: xlsx('<row r="1"><c r="A1" t="s"><v>999999999</v></c></row>'),
        "dates.xlsx": lambda: xlsx('<row r="1"><c r="A1" t="d"><v>9e99</v></c></row>' * 3),
        "chart.pptx": lambda: chart(1_000_000_000),
        "chart-points.pptx": lambda: chart(n(100_000)),
        "groups.pptx": lambda: groups(n(200)),
        "groups-deep.pptx": lambda: groups(n(5_000)),
        "spine.epub": lambda: book('<itemref idref="a"/>' * n(20_000), "<p>words</p>" * 1_000),
        "chapter.epub": lambda: book('<itemref idref="a"/>', "<div>" * n(50_000)),
    }


def chart(points: int) -> bytes:
    """A presentation with a chart that claims to have so many points."""
    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    data = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = ["Q1", "Q2"]
    data.add_series("Visitors", (3, 5))  # type: ignore[no-untyped-call]
    slide.shapes.add_chart(XL_CHART_TYPE.PIE, *[Inches(1)] * 4, data)
    out = io.BytesIO()
    show.save(out)
    with zipfile.ZipFile(out) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    claim = b'ptCount val="%d"' % points
    return packed({name: data.replace(b'ptCount val="2"', claim) for name, data in members.items()})
