"""The parts of the benchmarks that figures depend on."""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import _beir, _common
from benchmarks._beir import Passage
from smartypants.errors import SetupError


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 5.0), (0.95, 10.0), (0.99, 10.0), (1.0, 10.0)]
)
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    values = [float(value) for value in range(10, 0, -1)]
    assert _common.percentile(values, share) == expected


def test_percentile_of_one_value() -> None:
    assert [_common.percentile([7.0], share) for share in (0.0, 0.5, 0.99)] == [7.0] * 3


def test_figures_are_one_flat_object(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    _common.write_json(file, {"a.b@1": 1234.5678, "a.c": 0.123456})
    assert json.loads(file.read_text()) == {"a.b@1": 1234.6, "a.c": 0.12346}


def test_no_file_no_json() -> None:
    _common.write_json(None, {"a": 1.0})


def test_every_benchmark_has_the_same_options() -> None:
    parser = _common.arguments("name", "what")
    assert parser.parse_args(["--quick", "--json", "f"]) == argparse.Namespace(
        quick=True, json=Path("f"), reuse=None
    )


def test_data_dir_is_kept_or_goes_away(tmp_path: Path) -> None:
    with _common.data_dir(None) as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with _common.data_dir(tmp_path / "kept") as folder:
        pass
    assert folder.is_dir()


CORPUS = [
    {"_id": "a/1", "title": "Buoys", "text": "They float."},
    {"_id": "b.2", "title": "", "text": "No title."},
]
QUERIES = [{"_id": "q1", "text": "what floats"}, {"_id": "q2", "text": "not judged"}]
QRELS = "query-id\tcorpus-id\tscore\nq1\ta/1\t2\nq1\tb.2\t0\n"


def _lines(rows: list[dict[str, str]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def _plain(folder: Path) -> None:
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text(_lines(CORPUS))
    (folder / "queries.jsonl").write_text(_lines(QUERIES))
    (folder / "qrels" / "test.tsv").write_text(QRELS)


def _zipped(folder: Path) -> None:
    for name, text in (
        ("corpus.jsonl", _lines(CORPUS)),
        ("queries.jsonl", _lines(QUERIES)),
        ("qrels.tsv", QRELS),
    ):
        (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))


@pytest.mark.parametrize("write", [_plain, _zipped])
def test_a_set_is_read_plain_or_zipped(tmp_path: Path, write: Callable[[Path], None]) -> None:
    folder = tmp_path / "My-Set.1"
    folder.mkdir()
    write(folder)
    found = _beir.load(folder)
    assert found.name == "My-Set.1"
    assert found.collection == "set_my_set_1"
    assert found.corpus == (Passage("a/1", "Buoys", "They float."), Passage("b.2", "", "No title."))
    assert found.queries == {"q1": "what floats"}
    assert found.qrels == {"q1": {"a/1": 2, "b.2": 0}}


def test_a_set_without_a_corpus_is_named(tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text(QRELS)
    (tmp_path / "queries.jsonl").write_text(_lines(QUERIES))
    with pytest.raises(SetupError, match="corpus"):
        _beir.load(tmp_path)


IDS = ("plain", "a/b", "a%2Fb", ".hidden", "..", "ünï cödé", "q?#&", "x" * 300, "x" * 301)


def test_file_names_lead_back_to_ids(tmp_path: Path) -> None:
    ids = _beir.write_corpus([Passage(name, "", "text") for name in IDS], tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == len(IDS)
    assert not any(file.name.startswith(".") for file in files)
    assert {ids[_beir.name_in(file.as_uri())] for file in files} == set(IDS)


def test_the_corpus_is_markdown_and_unchanged_files_stay(tmp_path: Path) -> None:
    passages = [Passage("1", "Buoys", "They float."), Passage("2", "", "No title.")]
    _beir.write_corpus(passages, tmp_path)
    assert (tmp_path / "1.md").read_text() == "# Buoys\n\nThey float."
    assert (tmp_path / "2.md").read_text() == "No title."
    before = (tmp_path / "1.md").stat().st_mtime_ns
    _beir.write_corpus(passages, tmp_path)
    assert (tmp_path / "1.md").stat().st_mtime_ns == before
