"""Identities that must never change, and never coincide."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from smartypants.types import (
    Chunk,
    DocumentRef,
    SearchHit,
    best_per_document,
    content_version,
    stable_id,
)


def test_ids_are_the_same_in_every_process() -> None:
    # Ids are stored: whoever changes these changes every document of every user.
    assert stable_id("source", "uri") == "0dbadcb4d09cd7c8488641a38547a8fa"
    assert content_version(b"bytes") == "6ea7442bc44abc453a57f9153dda1bd6"


PARTS = st.lists(st.text(alphabet="ab:1\x1f\ud800é", max_size=4), max_size=4).map(tuple)


@given(one=PARTS, two=PARTS)
def test_ids_are_distinct(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    assert (stable_id(*one) == stable_id(*two)) == (one == two)


@given(one=st.binary(), two=st.binary())
def test_versions_follow_the_bytes(one: bytes, two: bytes) -> None:
    assert (content_version(one) == content_version(two)) == (one == two)


def test_document_id_depends_on_source_and_uri_alone() -> None:
    ref = DocumentRef("s", "u", "name", "etag", 1)
    assert ref.document_id == DocumentRef("s", "u", "other", "other", 2).document_id
    assert ref.document_id != DocumentRef("s2", "u", "name", "etag", 1).document_id
    assert ref.document_id != DocumentRef("s", "u2", "name", "etag", 1).document_id
    assert pickle.loads(pickle.dumps(ref)) == ref


def test_chunk_id_depends_on_document_version_and_index() -> None:
    chunk = Chunk("d", "v", 0, "text", 0, 4)
    assert chunk.chunk_id == Chunk("d", "v", 0, "other", 9, 14, context="c").chunk_id
    others = [
        Chunk("e", "v", 0, "", 0, 0),
        Chunk("d", "w", 0, "", 0, 0),
        Chunk("d", "v", 1, "", 0, 0),
    ]
    assert len({chunk.chunk_id, *(other.chunk_id for other in others)}) == 4


def test_searched_text_begins_with_the_context() -> None:
    assert Chunk("d", "v", 0, "text", 0, 4).searched_text == "text"
    assert Chunk("d", "v", 0, "text", 0, 4, context="Title").searched_text == "Title\ntext"


def test_best_per_document_keeps_the_order() -> None:
    hits = [
        SearchHit(Chunk(document, "v", index, "", 0, 0), 1.0, {}, "t", "u", "s")
        for index, document in enumerate("abacb")
    ]
    best = best_per_document(hits)
    assert [(hit.chunk.document_id, hit.chunk.index) for hit in best] == [
        ("a", 0),
        ("b", 1),
        ("c", 3),
    ]
