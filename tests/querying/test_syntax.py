from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.media_types import CSV, PDF, TSV, XLSX
from smartypants.querying.narrowing import NOTHING, narrowed
from smartypants.querying.syntax import Names, Parsed, parse
from smartypants.types import Filters

NAMES = Names(
    lambda name: ("s1", "s2") if name in ("uploads", "my docs") else (), lambda name: name == "docs"
)


def at(year: int, month: int = 1, day: int = 1) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()


def test_everything_at_once() -> None:
    found = parse(
        'type:pdf author:"Jane Doe" source:uploads after:2023-01-05 before:2024 in:docs '
        '"exact phrase" harbour fees',
        NAMES,
    )
    assert found.text == "exact phrase harbour fees"
    assert found.phrases == ("exact phrase",)
    assert found.collection == "docs"
    assert found.filters == Filters(
        (), ("s1", "s2"), (PDF,), ("Jane Doe",), at(2023, 1, 5), at(2024)
    )
    assert len(found.read) == 7


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("TYPE:PDF x", Filters(media_types=(PDF,))),
        ("x type:spreadsheets", Filters(media_types=(XLSX, CSV, TSV))),
        ("type:application/pdf", Filters(media_types=(PDF,))),
        ("type:pdf x type:csv", Filters(media_types=(PDF, CSV))),
        ('source:"my docs" x', Filters(source_ids=("s1", "s2"))),
        ("author:doe author:Ann", Filters(authors=("doe", "Ann"))),
        ("date:2023", Filters(after=at(2023), before=at(2024))),
        ("date:2023-12", Filters(after=at(2023, 12), before=at(2024))),
        ("date:2022..2023-05", Filters(after=at(2022), before=at(2023, 6))),
        ("since:2023 after:2024", Filters(after=at(2024))),
        ("before:2023-02-03 before:2024", Filters(before=at(2023, 2, 3))),
        ("after:2023-02-03T10:00Z", Filters(after=at(2023, 2, 3) + 36_000)),
    ],
)
def test_filters(text: str, filters: Filters) -> None:
    assert parse(text, NAMES).filters == filters


@pytest.mark.parametrize(
    "text",
    [
        "foo:bar", "blood type:O", "type:", "type: pdf", "-type:pdf", "xtype:pdf", "http://a.b/c",
        "in:nowhere", "source:unknown", 'author:"?!"', "after:soon", "date:2023-13", "date:2023..x",
        "before:99999", 'type:pd"f', '5" pipe and 3" pipe', 'x="a b"', '""', '"', '"?!"',
        '"What happens to people when it rains?"', "a::b", "author:", "12:30",
    ],
)  # fmt: skip
def test_anything_else_is_text(text: str) -> None:
    assert parse(text, NAMES) == Parsed(text)


def test_quotes_of_typographers() -> None:
    found = parse("fees for “notice period” and «x y»", NAMES)
    assert found.phrases == ("notice period", "x y")
    assert found.text == "fees for notice period and x y"


def test_a_filter_beside_what_is_not_understood() -> None:
    found = parse("type:pdf in:nowhere foo:bar", NAMES)
    assert found.text == "in:nowhere foo:bar"
    assert found.filters == Filters(media_types=(PDF,))


PIECES = st.lists(
    st.sampled_from(
        ["type", "author", "source", "date", "after", "before", "in", ":", '"', " ", "pdf", "2023",
         "-05", "..", "uploads", "docs", "x", "\u201c", "T10:00", "é", "\\", "?"]
    ) | st.text(max_size=3)
).map("".join)  # fmt: skip


@given(PIECES)
def test_every_text_is_a_query(text: str) -> None:
    found = parse(text, NAMES)
    assert all(phrase.strip() for phrase in found.phrases)
    assert found.read or found == Parsed(text)
    # What was understood is gone, and nothing else.
    letters = "".join(sorted("".join(found.read) + found.text)).replace('"', "")
    assert len(letters.split()) <= len(text)


FILTERS = st.builds(
    Filters,
    st.lists(st.sampled_from(["d1", "d2"]), unique=True).map(tuple),
    st.lists(st.sampled_from(["s1", "s2"]), unique=True).map(tuple),
    st.lists(st.sampled_from(["a/b", "c/d"]), unique=True).map(tuple),
    st.just(()),
    st.none() | st.integers(0, 3),
    st.none() | st.integers(0, 3),
)


def fits(filters: Filters, document: str, source: str, kind: str, date: int) -> bool:
    return (
        (not filters.document_ids or document in filters.document_ids)
        and (not filters.source_ids or source in filters.source_ids)
        and (not filters.media_types or kind in filters.media_types)
        and (filters.after is None or date >= filters.after)
        and (filters.before is None or date < filters.before)
    )


@given(FILTERS, FILTERS)
def test_narrowed_fits_what_fits_both(one: Filters, other: Filters) -> None:
    both = narrowed(one, other)
    for document in ("d1", "d2", "d3"):
        for source in ("s1", "s2"):
            for kind in ("a/b", "c/d", "e/f"):
                for date in range(4):
                    place = (document, source, kind, date)
                    expected = fits(one, *place) and fits(other, *place)
                    assert fits(both, *place) == expected


def test_authors_of_both() -> None:
    one = Filters(authors=("Jane Doe", "Ann"))
    assert narrowed(one, Filters(authors=("doe",))).authors == ("Jane Doe",)
    assert narrowed(Filters(authors=("doe",)), one).authors == ("Jane Doe",)
    assert narrowed(one, Filters(authors=("bob",))).document_ids == NOTHING.document_ids
    assert narrowed(one, Filters()) == one
