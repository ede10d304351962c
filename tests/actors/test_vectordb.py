"""What of the embedded vector server's files is not trusted after a kill."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.vectordb import (
    SUSPICIOUS_S,
    drop_suspicious_indexes,
    drop_unmade_collections,
)

NOW = 1_800_000_000.0


def file(path: Path, *, ago_s: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (NOW - ago_s, NOW - ago_s))
    return path


def test_recent_indexes_go_old_ones_and_data_stay(tmp_path: Path) -> None:
    one, two = (tmp_path / "collections" / name / "partition" for name in ("one", "two"))
    kept = [
        file(one / "data" / "rows.parquet", ago_s=0),
        file(one / "wal.arrow", ago_s=1),
        file(one / "indexes" / "old.hnsw", ago_s=SUSPICIOUS_S + 5),
        file(two / "indexes" / "older.bm25", ago_s=10 * SUSPICIOUS_S),
        file(two / "indexes.json", ago_s=0),
        file(tmp_path / "LOCK", ago_s=0),
    ]
    gone = [
        file(one / "indexes" / "vector.hnsw", ago_s=0),
        file(one / "indexes" / "sparse.bm25", ago_s=SUSPICIOUS_S - 5),
        file(two / "indexes" / "vector.hnsw.tmp", ago_s=2),
    ]
    drop_suspicious_indexes(tmp_path)
    assert [path for path in kept if not path.exists()] == []
    assert [path for path in gone if path.exists()] == []


def test_a_long_stop_makes_nothing_trustworthy(tmp_path: Path) -> None:
    """What counts is the last write before the kill, not the time of the start."""
    index = file(tmp_path / "c" / "indexes" / "vector.hnsw", ago_s=90 * 86_400)
    data = file(tmp_path / "c" / "data.parquet", ago_s=90 * 86_400 - 1)
    drop_suspicious_indexes(tmp_path)
    assert (index.exists(), data.exists()) == (False, True)


def test_collections_that_were_never_made_go(tmp_path: Path) -> None:
    folder = tmp_path / "collections"
    file(folder / "made" / "schema.json", ago_s=0)
    file(folder / "of another release" / "data" / "rows.parquet", ago_s=0)
    file(folder / "half written" / "schema.json.tmp", ago_s=0)
    (folder / "empty").mkdir()
    file(folder / "LOCK", ago_s=0)
    drop_unmade_collections(tmp_path)
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"made", "of another release", "LOCK"}


@pytest.mark.parametrize("made", [True, False])
def test_no_files(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "vectors"
    if made:
        folder.mkdir()
    drop_unmade_collections(folder)
    drop_suspicious_indexes(folder)
    assert folder.exists() == made
