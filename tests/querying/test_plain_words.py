from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.media_types import CSV, DOCX, EMAIL, HTML, PDF, PPTX, TSV, XLSX
from smartypants.querying.plain_words import Understood, interpret
from smartypants.types import Filters


def at(year: int, month: int = 1, day: int = 1) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "about", "filters"),
    [
        ("PDFs by Jane Doe from 2023", None,
         Filters((), (), (PDF,), ("Jane Doe",), at(2023), at(2024))),
        ("spreadsheets since March 2024", None,
         Filters(media_types=(XLSX, CSV, TSV), after=at(2024, 3))),
        ("Show me all emails from Ann Ek about the offsite before 2024?", "the offsite",
         Filters((), (), (EMAIL,), ("Ann Ek",), None, at(2024))),
        ("slides on pricing in december 2023", "pricing",
         Filters((), (), (PPTX,), (), at(2023, 12), at(2024))),
        ("word documents between 2020 and 2021-06", None,
         Filters((), (), (DOCX,), (), at(2020), at(2021, 7))),
        ("documents written by José van Dam", None, Filters(authors=("José van Dam",))),
        ("web pages about harbours after 2023-05-17", "harbours",
         Filters((), (), (HTML,), (), at(2023, 5, 18))),
        ("files until 2022", None, Filters(before=at(2023))),
    ],
)  # fmt: skip
def test_requests_for_documents(text: str, about: str | None, filters: Filters) -> None:
    assert interpret(text) == Understood(about or text, filters)


@pytest.mark.parametrize(
    "text",
    [
        "PDFs", "documents", "documents about fees", "documents from Berlin", "PDFs by jane",
        "How do I open PDFs from 2023?", "harbour fees in PDFs from 2023", "files",
        "What did Jane Doe write in 2023", "presentations", "emails", "and in 2023?",
        "slides across the table since March 2024", "excel in school", "PDFs from 3023",
        "documents before Christmas", "files by default", "spreadsheets versus databases",
    ],
)  # fmt: skip
def test_anything_else_is_left_alone(text: str) -> None:
    assert interpret(text) is None


@given(
    st.text() | st.from_regex(r"(PDFs|emails|files)( (by|from|since|about) (Ann|20\d\d|x)){0,4}")
)
def test_any_text(text: str) -> None:
    found = interpret(text)
    assert found is None or (found.text and found.filters != Filters())


DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.skipif(not DATA.exists(), reason="the retrieval sets are not here")
@pytest.mark.parametrize("name", ["scifact", "xquad", "mtrag-un"])
def test_real_questions_are_left_alone(name: str) -> None:
    with gzip.open(DATA / name / "queries.jsonl.gz", "rt") as file:
        questions = [json.loads(line)["text"] for line in file]
    assert len(questions) >= 300
    assert [text for text in questions if interpret(text)] == []
