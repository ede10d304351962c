"""The history of what was searchable."""

from __future__ import annotations

import alembic.command
from alembic.config import Config
from sqlalchemy import Engine

from smartypants.ledger import commits, versions
from smartypants.ledger.migrating import MIGRATIONS, migrate
from tests.ledger.conftest import Source


def history(source: Source, name: str) -> list[tuple[str, str, int, bool]]:
    found = versions.history(source.engine, source.id_of(name))
    return [(v.version, v.etag, v.chunk_count, v.replaced_at is None) for v in found]


def test_each_content_is_a_version(source: Source) -> None:
    source.list("a")
    assert history(source, "a") == []
    source.index("a", "v1", chunks=2)
    source.list(source.ref("a", etag="2"))
    source.fail("a", retryable=True)
    assert history(source, "a") == [("v1", "1", 2, True)]
    source.index("a", "v2", chunks=3)
    assert history(source, "a") == [("v2", "2", 3, True), ("v1", "1", 2, False)]
    new, old = versions.history(source.engine, source.id_of("a"))
    assert old.replaced_at == new.indexed_at


def test_same_content_cut_anew_is_the_same_version(source: Source) -> None:
    source.list("a")
    source.index("a", "v1", chunks=2)
    source.index("a", "v1", chunks=5)
    assert history(source, "a") == [("v1", "1", 5, True)]


def test_history_outlives_deletion_and_goes_on(source: Source) -> None:
    source.list("a")
    source.index("a", "v1")
    source.delete("a")
    commits.mark_purged(source.engine, source.id_of("a"))
    assert history(source, "a") == [("v1", "1", 2, False)]
    source.index("a", "v2")  # of a job that was at it: a deleted document stays deleted
    assert history(source, "a") == [("v1", "1", 2, False)]
    source.list(source.ref("a", etag="3"))
    source.index("a", "v1")
    assert history(source, "a") == [("v1", "3", 2, True), ("v1", "1", 2, False)]


def test_begun_again_is_not_searchable(source: Source) -> None:
    source.list("a")
    source.index("a", "v1")
    commits.begin_again(source.engine, source.collection, [source.id_of("a")])
    assert history(source, "a") == [("v1", "1", 2, False)]


def test_documents_of_before_have_their_version(source: Source, engine: Engine) -> None:
    source.list("a", "b")
    source.index("a", "v1", chunks=4)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, "0002")
    migrate(engine)
    assert history(source, "a") == [("v1", "1", 4, True)]
    assert history(source, "b") == []
