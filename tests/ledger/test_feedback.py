from __future__ import annotations

import pytest
from sqlalchemy import Engine

from smartypants.errors import CollectionNotFound
from smartypants.ledger import collections, feedback
from tests.ledger.conftest import Source


def say(engine: Engine, query: str, name: str, relevant: bool, collection: str = "docs") -> None:
    feedback.record(
        engine, collection, query=query, document_id=name, chunk_id=None, relevant=relevant
    )


def test_the_majority_counts(source: Source) -> None:
    for relevant in (True, False, True):
        say(source.engine, "q", "a", relevant)
    say(source.engine, "q", "b", False)
    say(source.engine, "other", "a", True)
    say(source.engine, "other", "a", False)
    assert feedback.grades(source.engine, "docs") == {"q": {"a": 1, "b": 0}, "other": {"a": 0}}


def test_belongs_to_its_collection(engine: Engine) -> None:
    for name in ("mine", "other"):
        Source(engine, name)
        say(engine, "q", "a", True, name)
    collections.forget(engine, "mine")
    assert feedback.grades(engine, "mine") == {}
    assert feedback.grades(engine, "other") == {"q": {"a": 1}}
    with pytest.raises(CollectionNotFound):
        say(engine, "q", "a", True, "mine")
