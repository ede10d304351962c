"""Text from outside that databases refuse, or that is too long for its column."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from smartypants.errors import EmbeddingModelMismatch, ValidationFailed
from smartypants.ledger import acls, collections, commits, documents, jobs
from smartypants.ledger.columns import fit, storable
from smartypants.ledger.commits import Failed, Indexed
from smartypants.ledger.schema import jobs as table
from smartypants.types import DocumentRef
from tests.ledger.conftest import Source

HOSTILE = "a\x00b\udc80c\U0001f600"
CLEAN = "a\ufffdb\ufffdc\U0001f600"


@given(st.text(alphabet=st.characters(categories=("Cs", "Cc", "Ll"))), st.integers(1, 80))
def test_fitted_text_can_be_stored(text: str, length: int) -> None:
    fitted = fit(text, length)
    assert len(fitted) <= length
    assert "\x00" not in fitted
    assert fit(fitted, length) == fitted
    fitted.encode()


@pytest.mark.parametrize("length", [16, 32, 33, 64, 300])
def test_long_texts_that_differ_at_the_end_stay_different(length: int) -> None:
    one, two = "x" * 1000 + "1", "x" * 1000 + "2"
    assert fit(one, length) != fit(two, length)
    assert len(fit(one, length)) <= length


def test_other_text_is_left_alone() -> None:
    text = "Grüße\t\n\x01\U0001f600"
    assert storable(text) == text
    assert fit(text, 300) == text


def test_listed_document(source: Source) -> None:
    ref = DocumentRef(
        source.source_id,
        f"file:///docs/{HOSTILE}",
        HOSTILE,
        HOSTILE + "e" * 400,
        size=2**62,
        media_type="text/" + "x" * 300,
        metadata={HOSTILE: HOSTILE, "long": "x" * 100_000},
    )
    source.list(ref)
    (row,) = documents.pending(source.engine, source.source_id)
    assert (row.name, row.title, row.media_type, row.size) == (CLEAN, CLEAN, None, 2**62)
    assert row.uri == "file:///docs/a%00b%ED%B2%80c\U0001f600"
    assert row.metadata == {CLEAN: CLEAN, "long": "x" * 100_000}
    # What the pipeline works on and commits is this row.
    again = DocumentRef(row.source_id, row.uri, row.name, row.etag, row.size)
    assert again.document_id == row.id
    commits.commit(source.engine, "docs", [Indexed(row.id, "v", "t", 1)], [])
    assert source.list(ref).unchanged == 1


def test_indexed_document(source: Source) -> None:
    source.list("a.txt")
    done = Indexed(source.id_of("a.txt"), "v" * 100, HOSTILE, 1, {HOSTILE: HOSTILE})
    commits.commit(source.engine, "docs", [done], [])
    row = source.row("a.txt")
    assert (row.title, row.parsed) == (CLEAN, {CLEAN: CLEAN})
    assert len(row.indexed_version or "") == 64


def test_failed_document(source: Source) -> None:
    source.list("a.txt")
    bad = Failed(source.id_of("a.txt"), "c" * 100, HOSTILE + "x" * 10_000, retryable=True)
    commits.commit(source.engine, "docs", [], [bad])
    row = source.row("a.txt")
    assert (row.error or "").startswith(CLEAN)
    assert len(row.error_code or "") == 64


def test_job(engine: Engine) -> None:
    job = jobs.submit(engine, "ingest", "docs", {"uri": HOSTILE, "deep": [{HOSTILE: (1, None)}]})
    assert job.params == {"uri": CLEAN, "deep": [{CLEAN: [1, None]}]}
    written = {
        "progress": {"eta_s": math.nan, "rate": math.inf, "n": 2**70},
        "runner": "r" * 100,
        "error_code": "c" * 100,
        "error": HOSTILE + "x" * 10_000,
    }
    with engine.begin() as connection:
        connection.execute(update(table).values(written))
    row = jobs.get(engine, job.id)
    assert row.progress == {"eta_s": None, "rate": None, "n": 2**70}
    assert (len(row.runner or ""), len(row.error_code or "")) == (64, 64)
    assert row.error == CLEAN + "x" * 10_000


def test_ids_of_no_row(engine: Engine) -> None:
    assert documents.by_id(engine, [HOSTILE, "x" * 1000]) == {}
    assert documents.page(engine, job_id=HOSTILE, acl_ids=[1], limit=9) == []


def test_principals_never_become_each_other(engine: Engine) -> None:
    def make(*principals: str) -> int:
        with engine.begin() as connection:
            return acls.acl_id(connection, principals)

    for bad in ("user:a\x00", "user:\udc80"):
        with pytest.raises(ValidationFailed, match="no principal may have"):
            make(bad)
        assert acls.allowed_acl_ids(engine, [bad]) == ()
    replaced = make("user:a\ufffd")
    assert acls.allowed_acl_ids(engine, ["user:a\x00"]) == ()
    assert acls.allowed_acl_ids(engine, ["user:a\ufffd"]) == (replaced,)
    one, two = (make(f"group:{'x' * 500}{end}") for end in "12")
    assert acls.allowed_acl_ids(engine, [f"group:{'x' * 500}1"]) == (one,)
    assert acls.allowed_acl_ids(engine, [f"group:{'x' * 500}2"]) == (two,)


def test_callers_in_thousands_of_groups(engine: Engine) -> None:
    with engine.begin() as connection:
        mine = acls.acl_id(connection, ["group:g70000"])
    assert acls.allowed_acl_ids(engine, [f"group:g{n}" for n in range(70_001)]) == (mine,)


def test_model_with_a_long_path(engine: Engine) -> None:
    long_model = "/models/" + "deep/" * 100 + "m" * 200
    made = collections.ensure(engine, "docs", embedding_model=long_model, dimension=4)
    assert collections.ensure(engine, "docs", embedding_model=long_model, dimension=4) == made
    assert len(made.physical) < 200
    with pytest.raises(EmbeddingModelMismatch):
        collections.ensure(engine, "docs", embedding_model=long_model + "x", dimension=4)
