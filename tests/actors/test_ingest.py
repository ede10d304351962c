"""The ingest program on a real local Ray, with a real Milvus Lite server and the real model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from smartypants.errors import EmbeddingModelMismatch, PruneRefused
from smartypants.ledger import collections, listing
from tests.actors.conftest import Site

pytestmark = [pytest.mark.ray, pytest.mark.integration, pytest.mark.timeout(900)]

HANDBOOK = Path(__file__).parents[2] / "examples" / "handbook"


def test_every_format_and_a_second_run_that_embeds_nothing(site: Site) -> None:
    for file in HANDBOOK.iterdir():
        shutil.copy(file, site.folder)
    first = site.ingest()
    names = {file.name for file in HANDBOOK.iterdir()}
    assert {row.name for row in site.rows() if row.state == "indexed"} == names
    assert (first.indexed, first.failed) == (len(names), 0)
    assert first.chunks == site.chunks() == sum(row.chunk_count for row in site.rows())
    assert any(row.chunk_count > 4 for row in site.rows()), "no document travelled in parts"
    assert {"discover", "read", "embed", "write", "commit"} <= set(first.seconds)
    [source] = listing.sources_by_id(site.engine, [site.rows()[0].source_id])
    assert source.listed_at is not None

    for file in site.folder.iterdir():  # newer, but the same inside
        os.utime(file, (1, 1))
    again = site.ingest()
    assert (again.indexed, again.chunks, again.unchanged) == (0, 0, len(names))
    assert "embed" not in again.seconds or again.seconds["embed"] < 0.01
    assert site.chunks() == first.chunks


def test_changed_broken_and_vanished_files(site: Site) -> None:
    (site.folder / "stays.md").write_text("# Stays\n\nThe lighthouse is white.")
    (site.folder / "changes.md").write_text("# Changes\n\nThe ferry leaves at nine.")
    (site.folder / "goes.txt").write_text("The windmill is old.")
    (site.folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (site.folder / "empty.md").write_bytes(b"")
    (site.folder / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    first = site.ingest()
    assert (first.indexed, first.failed) == (3, 2)
    broken = site.document("broken.pdf")
    assert (broken.state, broken.error_code) == ("failed", "document_unreadable")
    assert "broken.pdf" in (broken.error or "")
    assert site.texts("ferry leaves") == ["# Changes\n\nThe ferry leaves at nine."]

    (site.folder / "changes.md").write_text("# Changes\n\nThe ferry leaves at ten.")
    (site.folder / "goes.txt").unlink()
    (site.folder / "broken.pdf").write_text("Now it is a text about gulls.")
    second = site.ingest()
    assert (second.indexed, second.failed, second.deleted) == (2, 0, 1)
    assert second.unchanged == 2  # the one that stays, and the empty one that failed
    assert site.texts("ferry leaves") == ["# Changes\n\nThe ferry leaves at ten."]
    assert site.texts("windmill") == []
    assert site.texts("gulls") == ["Now it is a text about gulls."]
    assert site.chunks() == 3


def test_too_many_vanished_files_stop_and_ask(site: Site) -> None:
    for number in range(12):
        (site.folder / f"{number}.txt").write_text(f"Note number {number} about the harbour.")
    site.ingest()
    for number in range(8):
        (site.folder / f"{number}.txt").unlink()
    with pytest.raises(PruneRefused, match="8 of 12"):
        site.ingest()
    assert len(site.texts("harbour")) == 12
    allowed = site.ingest(allow_prune=True)
    assert allowed.deleted == 8
    assert len(site.texts("harbour")) == 4


def test_another_embedding_model_is_refused(site: Site) -> None:
    collections.ensure(site.engine, site.collection, embedding_model="another/model", dimension=384)
    with pytest.raises(EmbeddingModelMismatch, match="another/model"):
        site.ingest()


def test_the_same_text_is_embedded_once(site: Site) -> None:
    text = "# Terms\n\nThe notice period is three months to the end of a quarter."
    for name in ("a.md", "b.md", "c.md"):
        (site.folder / name).write_text(text)
    assert (site.ingest().indexed, site.chunks()) == (3, 3)
    (site.folder / "d.md").write_text(text)
    again = site.ingest()
    assert (again.indexed, again.embedded) == (1, 0)


def test_a_document_that_shrinks_leaves_nothing_behind(site: Site) -> None:
    long = "\n\n".join(f"# Part {n}\n\n{'The gull cries. ' * 90}" for n in range(12))
    (site.folder / "a.md").write_text(long)
    site.ingest()
    assert site.chunks() > 12
    (site.folder / "a.md").write_text("# Part\n\nThe gull is silent.")
    site.ingest()
    assert site.chunks() == 1
