"""Every parser of ours keeps the contract, and what is particular to each format."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import openpyxl
import pptx
import pytest

from smartypants.errors import DocumentError, DocumentTooLarge, DocumentUnreadable
from smartypants.media_types import (
    CSV,
    DOCX,
    EMAIL,
    EPUB,
    HTML,
    JSON,
    JSON_LINES,
    MARKDOWN,
    PDF,
    PPTX,
    TEXT,
    TSV,
    XLSX,
    detect,
)  # fmt: skip
from smartypants.parsers import xlsx
from smartypants.parsing import load_parsers
from smartypants.protocols import Parser
from smartypants.testing import ParserContract
from smartypants.types import ParsedDocument
from tests.parsers import samples
from tests.pdfs import make_pdf

SAMPLES = {
    TEXT: b"Plain words.\r\nSecond line.",
    MARKDOWN: b"---\nx: 1\n---\n# Title #\n\nWords.",
    HTML: samples.SAMPLE_HTML,
    CSV: b"name;value\nrent;7\n\n",
    TSV: b"name\tvalue\nrent\t7\n",
    JSON: b'{"title": "T", "a": {"b": [1, 2.5, null, ""]}, "ok": true}',
    JSON_LINES: b'{"a": 1}\n\n{"b": "x"}\n',
    EMAIL: samples.SAMPLE_EML,
    PDF: samples.sample_pdf(),
    DOCX: samples.sample_docx(),
    PPTX: samples.sample_pptx(),
    XLSX: samples.sample_xlsx(),
    EPUB: samples.sample_epub(),
}
PARSERS = load_parsers()


def test_every_format_has_a_parser_and_a_sample() -> None:
    assert set(PARSERS) == set(SAMPLES)


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> tuple[bytes, str]:
    return SAMPLES[request.param], request.param


@pytest.fixture
def parser(sample: tuple[bytes, str]) -> Parser:
    return PARSERS[sample[1]]


class TestContract(ParserContract):
    pass


def parse(media_type: str, data: bytes | None = None) -> ParsedDocument:
    data = SAMPLES[media_type] if data is None else data
    return PARSERS[media_type].parse(data, name="sample", media_type=media_type)


@pytest.mark.parametrize("media_type", [PDF, DOCX, PPTX, XLSX, EPUB])
def test_samples_are_known_by_their_bytes(media_type: str) -> None:
    assert detect(SAMPLES[media_type], name="wrong.txt") == media_type


# --- text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Grüße".encode(), "Grüße"),
        (b"\xef\xbb\xbfwords", "words"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ("Grüße".encode("utf-16-be").join([b"\xfe\xff", b""]), "Grüße"),
        (b"a\r\nb\rc\nd", "a\nb\nc\nd"),
        (("Die Straße führt über die Brücke nach Köln. " * 20).encode("cp1252"), None),
    ],
)
def test_encodings(data: bytes, text: str | None) -> None:
    found = parse(TEXT, data).text
    assert found == text if text else "Straße führt über die Brücke nach Köln" in found


def test_invalid_utf8_is_no_error() -> None:
    assert "words" in parse(TEXT, b"words \xff\xfe\x80 more \xc3\x28").text


def test_markdown_title() -> None:
    assert (parse(MARKDOWN).title, parse(MARKDOWN).text) == ("Title", "# Title #\n\nWords.")
    assert parse(MARKDOWN, b"```\n# comment\n```\n## Real\n").title == "Real"
    assert parse(MARKDOWN, b"no heading").title is None
    assert parse(TEXT, b"# a comment").title is None


def test_markdown_with_an_endless_line() -> None:
    line = b"# " + b" " * 300_000 + b"x" + b" #" * 300_000 + b"\n"
    assert parse(MARKDOWN, line + b"words").text.endswith("words")


# --- HTML ----------------------------------------------------------------------------------


def test_html() -> None:
    parsed = parse(HTML)
    assert parsed.title == "A & page"
    assert "# Head" in parsed.text
    assert "A **bold** word." in parsed.text
    assert "| 1 | 2 |" in parsed.text
    for noise in ("Menu", "alert", "Imprint", "x{}"):
        assert noise not in parsed.text


@pytest.mark.parametrize("declared", ["windows-1252", "nonsense", "utf-8"])
def test_html_charset(declared: str) -> None:
    page = f'<meta charset="{declared}"><p>' + "Die Straße führt über die Brücke. " * 20
    assert "Straße" in parse(HTML, page.encode("cp1252")).text


# --- tables and records --------------------------------------------------------------------


def test_csv() -> None:
    assert parse(CSV).text == "| name | value |\n| --- | --- |\n| rent | 7 |"
    assert parse(TSV).text == parse(CSV).text
    assert parse(CSV, b'a,b\n"x, y|z",1\n"two\nlines"\n').text.splitlines()[2:] == [
        "| x, y\\|z | 1 |",
        "| two lines |  |",
    ]
    assert parse(CSV, b"word").text.splitlines()[0] == "| word |"
    assert parse(CSV, b"").text == ""


def test_csv_with_an_endless_field() -> None:
    with pytest.raises(DocumentUnreadable, match="not a table"):
        parse(CSV, b'a,b\n"' + b"x" * (11 * 2**20))


def test_json() -> None:
    parsed = parse(JSON)
    assert parsed.title == "T"
    assert parsed.text == "title: T\na.b: 1\na.b: 2.5\nok: True"
    assert parse(JSON_LINES).text == "a: 1\n\nb: x"
    assert parse(JSON, b'["x", {"title": 1}]').text == "x\n\ntitle: 1"
    assert parse(JSON, b'["x", {"title": "t"}]').title is None


@pytest.mark.parametrize("data", [b"{", b"nothing", b"[" * 100_000, b"1" * 5_000, b'{"a": NaNN}'])
def test_bad_json(data: bytes) -> None:
    with pytest.raises(DocumentUnreadable, match="not valid JSON"):
        parse(JSON, data)


# --- e-mail --------------------------------------------------------------------------------


def test_email() -> None:
    parsed = parse(EMAIL)
    assert parsed.title == "Café at noon"
    assert parsed.metadata["from"] == "Ann <ann@example.com>"
    assert parsed.text.startswith("# Café at noon\n\nFrom: Ann <ann@example.com>\nTo: Bob")
    assert parsed.text.endswith("Attachments: menu.pdf\n\nFirst line.\n\nSecond line.")
    assert "\r" not in parsed.text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Subject: x\nContent-Type: text/html\n\n<p>A <b>word</b></p>", "A **word**"),
        (b"Subject: x\nContent-Type: text/plain; charset=nonsense\n\nwords", "words"),
        (b"From: a\nContent-Type: multipart/mixed; boundary=X\n\n--X--", "From: a"),
        (b"Subject: x\nContent-Type: image/png\n\nwords", "# x"),
    ],
)
def test_odd_emails(data: bytes, text: str) -> None:
    assert parse(EMAIL, data).text.endswith(text)


def test_email_without_headers() -> None:
    with pytest.raises(DocumentUnreadable, match="no e-mail headers"):
        parse(EMAIL, b"\njust words")


# --- PDF -----------------------------------------------------------------------------------


def test_pdf() -> None:
    parsed = parse(PDF)
    assert parsed.title == "Report 2024"
    assert parsed.metadata == {"pages": "2"}
    assert [mark.label for mark in parsed.pages] == ["1", "2"]
    assert parsed.text.startswith("# Annual Report\n\nThe quick brown fox")
    assert parsed.text[parsed.pages[1].offset :].startswith("## Second Part\n\nThe quick")


def test_pdf_by_whom_and_when() -> None:
    written = {"Author": "Jane  Doe", "CreationDate": "D:20230507101112+02'00'", "ModDate": "soon"}
    parsed = parse(PDF, make_pdf([[(10, "Some words.")]], **written))
    assert parsed.metadata == {
        "pages": "1", "author": "Jane Doe", "created": "2023-05-07T08:11:12+00:00",
    }  # fmt: skip


@pytest.mark.parametrize("title", ["Untitled", "Microsoft Word - x", "report.docx", " "])
def test_pdf_title_that_says_nothing(title: str) -> None:
    assert parse(PDF, make_pdf([[(10, "Some words.")]], title=title)).title is None


def test_pdf_empty_pages_are_left_out() -> None:
    parsed = parse(PDF, make_pdf([[], [(10, "Second page.")], [], [(10, "Fourth.")]]))
    assert [mark.label for mark in parsed.pages] == ["2", "4"]
    assert parsed.metadata == {"pages": "4"}


def test_pdf_in_one_size_has_no_headings() -> None:
    assert "#" not in parse(PDF, make_pdf([[(10, f"Line {n}.") for n in range(20)]])).text


def test_pdf_without_text() -> None:
    with pytest.raises(DocumentUnreadable, match="2 pages and no text layer"):
        parse(PDF, make_pdf([[], []]))


def test_pdf_with_a_password() -> None:
    with pytest.raises(DocumentUnreadable, match="encrypted"):
        parse(PDF, make_pdf([[(10, "Secret.")]], encrypted=True))


def test_pdf_with_a_broken_page() -> None:
    whole = make_pdf([[(10, "First page.")], [(10, "Second page.")]])
    broken = whole.replace(b"/Kids [4 0 R 6 0 R]", b"/Kids [9 0 R 6 0 R]")
    assert "Second page." in parse(PDF, broken).text


@pytest.mark.parametrize("data", [b"%PDF-1.4", b"%PDF-1.4\n" + b"x" * 1000, b"nothing"])
def test_damaged_pdf(data: bytes) -> None:
    with pytest.raises(DocumentUnreadable, match="damaged PDF"):
        parse(PDF, data)


# --- Office --------------------------------------------------------------------------------


def test_docx() -> None:
    parsed = parse(DOCX)
    assert parsed.title == "The handbook"
    assert "Days may be carried over." in parsed.text
    assert "| Year | Days |" in parsed.text
    assert "| 2024 | 30 |" in parsed.text


WRITTEN = {
    "author": "Ann Ek",
    "created": "2023-05-07T08:00:00+00:00",
    "modified": "2024-01-02T03:04:05+00:00",
}
CREATED = datetime(2023, 5, 7, 8)
MODIFIED = datetime(2024, 1, 2, 3, 4, 5)


def docx_with(core: str) -> ParsedDocument:
    whole = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
        'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:dcterms="http://purl.org/dc/terms/">{core}</cp:coreProperties>'
    )
    return parse(DOCX, samples.docx(samples.paragraph("Words."), core=whole))


def test_docx_by_whom_and_when() -> None:
    found = docx_with(
        "<dc:creator>Ann\n Ek</dc:creator><dcterms:created>2023-05-07T08:00:00Z</dcterms:created>"
        "<dcterms:modified>2024-01-02T03:04:05Z</dcterms:modified>"
    )
    assert found.metadata == WRITTEN


@pytest.mark.parametrize(
    "core",
    ["", "<dc:creator>python-docx</dc:creator>", "<dcterms:created>soon</dcterms:created>", "<x>"],
)
def test_docx_by_nobody(core: str) -> None:
    assert docx_with(core).metadata == {}


def test_xlsx_by_whom_and_when() -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "x"
    book.properties.creator = "Ann Ek"
    book.properties.created = CREATED
    out = io.BytesIO()
    book.save(out)
    found = parse(XLSX, out.getvalue()).metadata
    assert (found["author"], found["created"]) == (WRITTEN["author"], WRITTEN["created"])
    assert "modified" in found  # openpyxl says when it saved


def test_pptx_by_whom_and_when() -> None:
    presentation = pptx.Presentation(io.BytesIO(samples.sample_pptx()))
    properties = presentation.core_properties
    properties.author, properties.created, properties.modified = "Ann Ek", CREATED, MODIFIED
    out = io.BytesIO()
    presentation.save(out)
    assert parse(PPTX, out.getvalue()).metadata == WRITTEN


def test_docx_headings() -> None:
    styles = (
        f'<w:styles xmlns:w="{samples.WORD}">'
        '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="T"><w:name w:val="Title"/></w:style></w:styles>'
    )
    body = samples.paragraph("Top", "T") + samples.paragraph("Leave", "Heading1")
    parsed = parse(DOCX, samples.docx(body, **{"word/styles.xml": styles}))
    assert [line for line in parsed.text.splitlines() if line] == ["# Top", "# Leave"]
    assert parsed.title is None


def test_docx_formulas_are_kept() -> None:
    runs = "<m:r><m:t>E=m</m:t></m:r><m:r><m:t>c</m:t></m:r>"
    formula = f"<m:oMathPara><m:oMath>{runs}</m:oMath></m:oMathPara>"
    body = f"<w:p><w:r><w:t>Energy </w:t></w:r>{formula}</w:p>"
    assert "Energy E=mc" in parse(DOCX, samples.docx(body)).text


@pytest.mark.parametrize("core", ["<broken", samples.core(" "), "<x/>"])
def test_docx_without_a_title(core: str) -> None:
    assert parse(DOCX, samples.docx(samples.paragraph("words"), core=core)).title is None


def test_damaged_docx() -> None:
    for data in (samples.docx("<w:p>"), samples.packed({"word/other.xml": "<x/>"}), b"PK\x03\x04"):
        with pytest.raises(DocumentUnreadable, match="damaged"):
            parse(DOCX, data)


def test_pptx() -> None:
    parsed = parse(PPTX)
    assert parsed.title == "Quarterly"
    assert [mark.label for mark in parsed.pages] == ["slide 1", "slide 2"]
    first, second = (parsed.text[: parsed.pages[1].offset], parsed.text[parsed.pages[1].offset :])
    assert first.startswith("## Results of the year\n\n- Revenue grew\n  - by nine per cent")
    assert "Notes: Thank the team." in first
    assert second.startswith("## Slide 2")
    assert "| North | 7 |" in second
    assert "| Visitors | 3 | 5 |" in second
    assert "In a group" in second


def test_pptx_shape_without_geometry() -> None:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    box = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(1), Inches(1))
    box.text_frame.text = "Kept"
    box._element.nvSpPr.cNvSpPr.attrib.pop("txBox")
    box._element.spPr.remove(box._element.spPr.prstGeom)
    out = io.BytesIO()
    show.save(out)
    parsed = parse(PPTX, out.getvalue())
    assert "Kept" in parsed.text
    assert parsed.title is None


def test_xlsx() -> None:
    parsed = parse(XLSX)
    assert parsed.title == "Budget"
    assert [mark.label for mark in parsed.pages] == ["Costs", "Empty", "More"]
    assert parsed.text.startswith(
        "## Costs\n\n| Item | Euro |\n| --- | --- |\n| Rent | 1200 |\n| A\\|B | 1.5 |"
    )


def test_xlsx_with_too_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_CELLS", 3)  # the limit itself takes seconds to fill
    with pytest.raises(DocumentTooLarge, match="over 3 cells"):
        parse(XLSX)


def test_epub() -> None:
    parsed = parse(EPUB)
    assert parsed.title == "The book"
    assert [mark.label for mark in parsed.pages] == ["chapter 1", "chapter 2"]
    assert parsed.text == "# Beginning\n\nIt was a dark night.\n\n# End\n\nThey went home."


def test_epub_chapter_that_is_missing() -> None:
    one, two = {"one.xhtml": "<p>Words.</p>"}, {"one.xhtml": "", "two.xhtml": ""}
    package = zipfile.ZipFile(io.BytesIO(samples.epub(two))).read("OEBPS/book.opf").decode()
    assert parse(EPUB, samples.epub(one, **{"OEBPS/book.opf": package})).text == "Words."


def test_epub_without_a_package() -> None:
    with pytest.raises(DocumentUnreadable, match="damaged EPUB"):
        parse(EPUB, samples.packed({"mimetype": "application/epub+zip"}))


# --- archives that mean harm ---------------------------------------------------------------

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
) + "]><x>&j;</x>"  # fmt: skip


@pytest.mark.parametrize("media_type", [DOCX, PPTX, XLSX, EPUB])
def test_decompression_bomb(media_type: str) -> None:
    data = samples.packed({"word/document.xml": b" " * (40 * 2**20)})
    with pytest.raises(DocumentTooLarge, match="decompression bomb"):
        parse(media_type, data)


def test_too_many_members() -> None:
    with pytest.raises(DocumentTooLarge, match="5001 files"):
        parse(DOCX, samples.packed({str(n): b"" for n in range(5_001)}))


@pytest.mark.parametrize("media_type", [DOCX, PPTX, XLSX, EPUB])
def test_entity_bomb(media_type: str) -> None:
    members = {"docProps/core.xml": BOMB, "word/document.xml": "<x/>"}
    with pytest.raises(DocumentUnreadable, match="XML entities"):
        parse(media_type, samples.packed(members))


def test_entity_bomb_that_hides() -> None:
    for bomb in (BOMB.encode("utf-16"), b"<!-- " + b" " * 5_000 + b"-->" + BOMB.encode()):
        data = samples.docx(samples.paragraph("words"), core=bomb)  # type: ignore[arg-type]
        with pytest.raises(DocumentUnreadable, match="XML entities"):
            parse(DOCX, data)
    book = samples.epub({"one.xhtml": "<p>x</p>"}, **{"OEBPS/book.opf": BOMB})
    with pytest.raises(DocumentUnreadable, match="XML entities"):
        parse(EPUB, book)


def test_document_type_without_entities_is_no_bomb() -> None:
    package = zipfile.ZipFile(io.BytesIO(SAMPLES[EPUB])).read("OEBPS/book.opf").decode()
    book = samples.epub(
        {"one.xhtml": "<p>x</p>"}, **{"OEBPS/book.opf": "<!DOCTYPE package>" + package}
    )
    assert parse(EPUB, book).title == "The book"


@pytest.mark.parametrize("media_type", [DOCX, PPTX, XLSX, EPUB])
def test_encrypted_archive(media_type: str) -> None:
    data = bytearray(SAMPLES[media_type])
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    with pytest.raises(DocumentUnreadable, match="encrypted"):
        parse(media_type, bytes(data))


@pytest.mark.parametrize("media_type", [DOCX, PPTX, XLSX, EPUB])
def test_format_of_another(media_type: str) -> None:
    for other in (DOCX, PPTX, XLSX, EPUB):
        if other != media_type:
            with pytest.raises(DocumentError):
                parse(media_type, SAMPLES[other])
