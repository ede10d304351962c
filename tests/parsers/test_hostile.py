"""What once cost a parser minutes, gigabytes or a sound document; a hang fails by a time limit."""

from __future__ import annotations

import contextlib
import io
import tracemalloc

import pytest

from benchmarks.hostile import office
from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.media_types import CSV, DOCX, EMAIL, EPUB, HTML, JSON, PDF, PPTX, XLSX, detect
from smartypants.parsers import _markdown, json, xlsx
from smartypants.parsing import load_parsers
from smartypants.types import ParsedDocument
from tests.parsers import samples
from tests.pdfs import make_pdf

PARSERS = load_parsers()
pytestmark = pytest.mark.timeout(60)


def parse(media_type: str, data: bytes) -> ParsedDocument:
    return PARSERS[media_type].parse(data, name="sample", media_type=media_type)


# --- regular expressions that tried every start against every end --------------------------


@pytest.mark.parametrize("tag", ["<title>", "<title ", "<TITLE><title "])
def test_titles_that_nobody_closes(tag: str) -> None:
    # The search sees 100,000 characters: ask it often enough to hang if it is not linear.
    for _ in range(20):
        assert _markdown.html_title(tag * 20_000) is None


def test_title_is_still_found() -> None:
    page = b"<html><head><TITLE lang='de'>\nA &lt; B</TITLE ></head><body><p>words</body></html>"
    assert parse(HTML, page).title == "A < B"


@pytest.mark.parametrize("body", ["<m:oMath>", "<m:oMathPara ", "<m:oMath ", "<m:t "])
def test_formulas_that_nobody_closes(body: str) -> None:
    with pytest.raises(DocumentUnreadable):
        parse(DOCX, samples.docx("<m:oMath></m:oMath>" + body * 200_000))


@pytest.mark.parametrize("line", ['"\n', '"a,', "\"',", ",'\""])
def test_quotes_before_a_delimiter_is_known(line: str) -> None:
    for _ in range(20):
        assert parse(CSV, (line * 4_000).encode() + b"\na,b\n").text


@pytest.mark.parametrize(
    ("data", "head"),
    [
        (b"a;b\n1,5;2,5\n", "| a | b |"),
        (b'"x, y"|b\nc|d\n', "| x, y | b |"),
        (b"a,b,c\n1,2,3\n4;5\n", "| a | b | c |"),
        (b"just words\nand more\n", "| just words |"),
        (b"a\tb\nc\td\n", "| a | b |"),
    ],
)
def test_delimiter_is_found(data: bytes, head: str) -> None:
    assert parse(CSV, data).text.splitlines()[0] == head


# --- sizes that a file only claims ---------------------------------------------------------


def test_archive_whose_type_is_a_bomb() -> None:
    data = samples.packed({"mimetype": b"application/epub+zip" + b" " * 100_000_000})
    tracemalloc.start()
    assert detect(data, name="a.zip") == EPUB
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_pdf_that_claims_a_million_pages() -> None:
    data = make_pdf([[(10, "Words.")]]).replace(b"/Count 1 ", b"/Count 1000000 ")
    with pytest.raises(DocumentTooLarge, match="claims to have 1000000 pages"):
        parse(PDF, data)


def test_chart_that_claims_a_billion_points() -> None:
    assert "Visitors" not in parse(PPTX, office.chart(1_000_000_000)).text
    assert "| Visitors | 3 | 5 |" in parse(PPTX, office.chart(2)).text


def workbook(rows: int, columns: int = 3) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet")
    for row in range(rows):
        sheet.append([row] * columns)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_workbook_of_many_rows() -> None:
    """Empty cells once counted as cells, and four thousand rows were too many."""
    assert parse(XLSX, workbook(5_000)).text.endswith("| 4999 | 4999 | 4999 |")


def test_row_far_below(monkeypatch: pytest.MonkeyPatch) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active["B2"] = "words"
    book.active["B1000"] = "below"
    out = io.BytesIO()
    book.save(out)
    assert parse(XLSX, out.getvalue()).text.endswith("|  | words |\n| --- | --- |\n|  | below |")
    monkeypatch.setattr(xlsx, "MAX_ROWS", 999)
    assert "below" not in parse(XLSX, out.getvalue()).text


# --- text that outgrows its file -----------------------------------------------------------


def test_one_wide_row_and_many_short_ones() -> None:
    with pytest.raises(DocumentTooLarge, match="table of 50001 rows and 50000 columns"):
        parse(CSV, b"a" + b",a" * 49_999 + b"\n" + b"b\n" * 50_000)


def test_chapter_that_is_listed_a_thousand_times() -> None:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a" href="one.xhtml"/>'
        "</manifest><spine>" + '<itemref idref="a"/>' * 1_000 + "</spine></package>"
    )
    book = samples.epub({"one.xhtml": "<p>Words.</p>"}, **{"OEBPS/book.opf": package})
    parsed = parse(EPUB, book)
    assert (parsed.text, len(parsed.pages)) == ("Words.", 1)


def test_long_name_of_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "MAX_CHARS", 1_000)  # the limit itself takes seconds to fill
    with pytest.raises(DocumentTooLarge, match="over 1000 characters"):
        parse(JSON, b'{"' + b"k" * 100 + b'":[' + b"1," * 10 + b"1]}")


def test_values_that_stand_deep() -> None:
    data = b'{"":' * 900 + b"[" + b"1," * 200_000 + b"2]" + b"}" * 900
    assert parse(JSON, data).text.endswith("\n1\n2")


def test_values_keep_their_order() -> None:
    data = b'{"a": {"b": [1, {"c": 2}, [3]], "d": 4}, "e": 5}'
    assert parse(JSON, data).text == "a.b: 1\na.b.c: 2\na.b: 3\na.d: 4\ne: 5"


# --- e-mail --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["=?utf-8?q?a?= ", "(", "a@b.c, ", '"', "<", "a:", "a.", "<@a,@b,", "=?"]
)
@pytest.mark.parametrize("header", ["To", "Subject", "Content-Type"])
def test_long_headers(header: str, value: str) -> None:
    message = f"From: a@b.c\n{header}: {value * 100_000}\n\nwords".encode()
    with contextlib.suppress(DocumentUnreadable):  # nested comments are refused
        assert "words" in parse(EMAIL, message).text


def test_message_of_many_parts() -> None:
    part = b"--b\nContent-Type: text/plain\n\nwords\n"
    head = b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n"
    with pytest.raises(DocumentTooLarge, match="over 500 parts"):
        parse(EMAIL, head + part * 500)
    assert "words" in parse(EMAIL, head + part * 100).text


def test_message_that_is_nested_too_deeply() -> None:
    with pytest.raises(DocumentUnreadable, match="damaged message"):
        parse(EMAIL, b"Content-Type: message/rfc822\n\n" * 20_000 + b"words")
