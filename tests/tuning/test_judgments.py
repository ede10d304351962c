from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from smartypants.errors import InvalidRequest
from smartypants.ledger import feedback
from smartypants.tuning import judgments
from smartypants.tuning.judgments import JudgedQuery
from tests.ledger.conftest import Source

QUERIES = [{"_id": "1", "text": "one?"}, {"_id": "2", "text": "two?"}, {"_id": "3", "text": "3?"}]


@pytest.fixture
def source(engine: Engine) -> Source:
    source = Source(engine)
    source.list("a.md", "deep/b.md", "other/b.md", "gone.md")
    for name in ("a.md", "deep/b.md", "other/b.md"):
        source.index(name)
    return source


def read(source: Source, folder: Path, *lines: str, queries: object = None) -> judgments.Judgments:
    asked, graded = folder / "queries.jsonl", folder / "qrels.tsv"
    asked.write_text("".join(json.dumps(line) + "\n" for line in queries or QUERIES))
    graded.write_text("query-id\tcorpus-id\tscore\n" + "".join(f"{line}\n" for line in lines))
    return judgments.from_files(source.engine, "docs", asked, graded)


@pytest.mark.parametrize("name", ["a.md", "a", "docs/a.md", "/docs/a", "file:///docs/a.md", "ID"])
def test_what_names_a_document(source: Source, tmp_path: Path, name: str) -> None:
    document = source.id_of("a.md")
    found = read(source, tmp_path, f"1\t{document if name == 'ID' else name}\t2")
    assert found.queries == (JudgedQuery("1", "one?", {document: 2}),)
    assert found.unknown_documents == 0


def test_a_name_that_two_have_is_none(source: Source, tmp_path: Path) -> None:
    assert read(source, tmp_path, "1\tb.md\t1").unknown_documents == 1
    found = read(source, tmp_path, "1\tdeep/b.md\t1")
    assert found.queries[0].grades == {source.id_of("deep/b.md"): 1}


def test_what_is_of_no_use_is_counted(source: Source, tmp_path: Path) -> None:
    found = read(source, tmp_path, "1\ta\t1", "2\ta\t0", "3\tgone\t1", "3\tnowhere\t1", "9\ta\t1")
    assert [query.id for query in found.queries] == ["1"]
    assert (found.unknown_documents, found.without_relevant) == (2, 1)


def test_trec_form_and_gzip(source: Source, tmp_path: Path) -> None:
    asked, graded = tmp_path / "queries.jsonl.gz", tmp_path / "qrels.tsv.gz"
    asked.write_bytes(gzip.compress(b'{"_id": "1", "text": "one?", "metadata": {}}\n\n'))
    graded.write_bytes(gzip.compress(b"1\t0\ta.md\t1\n"))
    found = judgments.from_files(source.engine, "docs", asked, graded)
    assert found.queries[0].grades == {source.id_of("a.md"): 1}


@pytest.mark.parametrize("line", ["1\ta", "1\ta\tgood", "1\ta\t1000", "1\ta\t1\t2\t3"])
def test_damaged_qrels(source: Source, tmp_path: Path, line: str) -> None:
    with pytest.raises(InvalidRequest, match="line 3"):
        read(source, tmp_path, "1\ta\t1", line)


def test_damaged_queries(source: Source, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="line 1"):
        read(source, tmp_path, "1\ta\t1", queries=[{"id": "1"}])
    with pytest.raises(InvalidRequest, match="can't be read"):
        judgments.from_files(source.engine, "docs", tmp_path / "no", tmp_path / "no")


def test_feedback(source: Source) -> None:
    def say(query: str, name: str, relevant: bool) -> None:
        feedback.record(
            source.engine,
            "docs",
            query=query,
            document_id=source.id_of(name),
            chunk_id=None,
            relevant=relevant,
        )

    say("q", "a.md", True)
    say("q", "deep/b.md", False)
    say("only bad", "a.md", False)
    say("lost", "gone.md", True)
    found = judgments.from_feedback(source.engine, "docs")
    assert found.queries == (
        JudgedQuery("q", "q", {source.id_of("a.md"): 1, source.id_of("deep/b.md"): 0}),
    )
    assert (found.without_relevant, found.unknown_documents) == (2, 1)
