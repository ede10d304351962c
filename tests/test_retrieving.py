from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants.attributes import Attributes, attributes
from smartypants.finishing import finish
from smartypants.ledger import acls, collections, commits, listing
from smartypants.ledger.commits import Indexed
from smartypants.protocols import Vectors
from smartypants.querying.recording import Recorder
from smartypants.recipes import Recipe
from smartypants.retrieving import legs_of, retrieve
from smartypants.searching import Scope
from smartypants.surrounding import joined
from smartypants.types import (
    Candidate,
    Chunk,
    DocumentRef,
    Filters,
    Query,
    QueryOptions,
    SearchHit,
    SearchPlan,
    SearchResult,
)
from smartypants.vectorstores.milvus import MilvusVectorStore

pytestmark = pytest.mark.integration
DIMENSION = 4


@dataclass(frozen=True)
class Index:
    """A collection that documents can be put into, and searches be made in."""

    engine: Engine
    store: MilvusVectorStore
    physical: str
    name: str

    def put(
        self,
        name: str,
        *texts: str,
        version: str = "v1",
        principals: tuple[str, ...] = ("public",),
        direction: int = 0,
        commit: bool = True,
        metadata: dict[str, str] | None = None,
        headings: tuple[str, ...] = (),
        stored: Attributes | None = None,
    ) -> str:
        """`headings`: one a text; `stored`: what the vector store is told in place of the truth."""
        ref = DocumentRef(
            "s", f"file:///{name}", name, version, 1, principals=principals,
            metadata=metadata or {},
        )  # fmt: skip
        listing.register_source(
            self.engine, source_id="s", collection=self.name, kind="filesystem", uri="file:///"
        )
        listing.list_documents(self.engine, [ref], collection=self.name, job_id="j", max_attempts=1)
        with self.engine.begin() as connection:
            acl_id = acls.acl_id(connection, principals)
        chunks = [
            Chunk(
                ref.document_id,
                version,
                number,
                text,
                100 * number,
                100 * number + len(text),
                headings=tuple(headings[number].split("/")) if headings else (),
            )
            for number, text in enumerate(texts)
        ]
        vectors = np.repeat(unit(direction)[None, :], len(chunks), axis=0)
        count = len(chunks)
        known = stored or attributes(media_type=None, name=name, metadata=ref.metadata, parsed={})
        self.store.upsert(
            self.physical, chunks, vectors, acl_ids=[acl_id] * count, source_ids=["s"] * count,
            attributes=[known] * count,
        )  # fmt: skip
        self.store.flush(self.physical)
        if commit:
            done = Indexed(ref.document_id, version, f"Title of {name}", count)
            commits.commit(self.engine, self.name, [done], [])
        return ref.document_id

    def plan(
        self,
        text: str,
        *,
        recipe: Recipe | None = None,
        phrases: tuple[str, ...] = (),
        variants: tuple[str, ...] = (),
        **query: object,
    ) -> SearchPlan:
        asked = Query(text, self.name, **query)  # type: ignore[arg-type]
        return SearchPlan(
            asked,
            text,
            self.physical,
            acls.allowed_acl_ids(self.engine, asked.principals),
            recipe=recipe or Recipe(candidates=20),
            rerank=False,
            filters=asked.filters,
            phrases=phrases,
            variants=variants,
        )

    def search(self, text: str, *, direction: int = 0, **wanted: object) -> SearchResult:
        """A variant `N` is embedded as direction N."""
        plan = self.plan(text, **wanted)  # type: ignore[arg-type]

        async def embed(given: str) -> Vectors:
            return unit(int(given) if given.isdigit() else direction)

        return asyncio.run(
            retrieve(plan, legs_of(self.store, embed), engine=self.engine, limit=plan.depth)
        )

    def finished(self, text: str, **wanted: object) -> list[SearchHit]:
        recorder = Recorder()
        hits = self.search(text, **wanted).hits  # type: ignore[arg-type]
        wanted.pop("direction", None)
        plan = self.plan(text, **wanted)  # type: ignore[arg-type]
        return finish(plan, hits, vectors=self.store, recorder=recorder)


def unit(direction: int) -> Vectors:
    vector = np.full(DIMENSION, 0.1, dtype=np.float32)
    vector[direction] = 1.0
    normalised: Vectors = vector / np.linalg.norm(vector)
    return normalised


@pytest.fixture
def index(engine: Engine, milvus: MilvusVectorStore) -> Iterator[Index]:
    name = f"c{uuid.uuid4().hex[:12]}"
    collection = collections.ensure(engine, name, embedding_model="m", dimension=DIMENSION)
    milvus.create(collection.physical, dimension=DIMENSION)
    yield Index(engine, milvus, collection.physical, name)
    milvus.drop(collection.physical)


def names(result: SearchResult) -> list[str]:
    return [hit.uri.rsplit("/", 1)[-1] for hit in result.hits]


def test_both_legs_find_and_agreement_ranks_first(index: Index) -> None:
    index.put("meaning", "nothing in common", direction=1)
    index.put("words", "a harbour, far away from everything else", direction=2)
    index.put("both", "the harbour crane", direction=1)
    result = index.search("harbour crane", direction=1)
    assert names(result)[0] == "both"
    assert set(names(result)) == {"both", "meaning", "words"}
    assert set(result.hits[0].scores) == {"dense", "bm25"}
    assert result.hits[0].title == "Title of both"
    assert {"embed", "dense", "bm25", "ledger"} <= set(result.timings_ms)


def test_only_committed_documents_show(index: Index) -> None:
    index.put("half", "harbour", commit=False)
    assert names(index.search("harbour")) == []


def test_former_version_never_shows_beside_the_new_one(index: Index) -> None:
    document_id = index.put("doc", "the old harbour", version="v1")
    index.put("doc", "the new harbour", version="v2", commit=False)
    assert [hit.chunk.text for hit in index.search("harbour").hits] == ["the old harbour"]
    commits.commit(index.engine, index.name, [Indexed(document_id, "v2", "T", 1)], [])
    assert [hit.chunk.text for hit in index.search("harbour").hits] == ["the new harbour"]


def test_a_document_that_changes_during_a_search_is_not_missing(index: Index) -> None:
    document_id = index.put("doc", "the old harbour", version="v1")

    async def embed(_: str) -> Vectors:
        return unit(0)

    legs, asked = legs_of(index.store, embed), 0

    async def overtaken(scope: Scope, text: str) -> list[Candidate]:
        nonlocal asked
        found = await legs.lexical(scope, text)
        asked += 1
        if asked == 1:
            index.put("doc", "the new harbour", version="v2", commit=False)
            kept = {document_id: ("v2", 1)}
            commits.commit(index.engine, index.name, [Indexed(document_id, "v2", "T", 1)], [])
            index.store.delete_versions(index.physical, kept)
        return found

    plan = index.plan("harbour", recipe=Recipe(candidates=20, dense_weight=0))
    slow = replace(legs, lexical=overtaken)
    result = asyncio.run(retrieve(plan, slow, engine=index.engine, limit=5))
    assert [hit.chunk.text for hit in result.hits] == ["the new harbour"]
    assert asked == 2
    asyncio.run(retrieve(plan, slow, engine=index.engine, limit=5))
    assert asked == 3


def test_deleted_document_is_hidden_at_once(index: Index) -> None:
    document_id = index.put("doc", "harbour")
    commits.mark_deleted(index.engine, index.name, [document_id])
    assert names(index.search("harbour")) == []


def test_permissions(index: Index) -> None:
    index.put("secret", "the harbour of the board", principals=("group:board",))
    index.put("open", "the harbour of all")
    assert names(index.search("harbour")) == ["open"]
    asked = index.search("harbour", principals=("group:board",))
    assert set(names(asked)) == {"open", "secret"}


def test_filters_and_one_hit_a_document(index: Index) -> None:
    wanted = index.put("a", "harbour one", "harbour two")
    index.put("b", "harbour three")
    filtered = index.search("harbour", filters=Filters(document_ids=(wanted,)))
    assert names(filtered) == ["a", "a"]
    assert sorted(names(index.search("harbour", per_document=True))) == ["a", "b"]
    assert len(index.search("harbour", top_k=2).hits) == 2


def test_a_leg_without_weight_is_left_out(index: Index) -> None:
    index.put("meaning", "nothing in common", direction=1)
    index.put("words", "a harbour", direction=2)
    words = index.search("harbour", direction=1, recipe=Recipe(dense_weight=0))
    assert names(words) == ["words"]
    assert words.skipped == {"dense": "its weight is 0"}
    assert "embed" not in words.timings_ms
    meaning = index.search("harbour", direction=1, recipe=Recipe(dense_weight=1))
    assert names(meaning)[0] == "meaning"
    assert meaning.skipped == {"bm25": "its weight is 0"}
    assert all("bm25" not in hit.scores for hit in meaning.hits)


@pytest.mark.parametrize("fusion", ["weighted", "rrf"])
def test_variants_are_searched_too(index: Index, fusion: str) -> None:
    index.put("asked", "one text", direction=1)
    index.put("variant", "another text", direction=2)
    index.put("neither", "a third", direction=3)
    recipe = Recipe(candidates=2, fusion=fusion)  # type: ignore[arg-type]
    alone = index.search("zzz", direction=1, top_k=1, recipe=Recipe(candidates=1))
    assert names(alone) == ["asked"]
    found = index.search("zzz", direction=1, top_k=2, variants=("2",), recipe=recipe)
    assert set(names(found)[:2]) == {"asked", "variant"}
    assert {key for hit in found.hits for key in hit.scores} == {"dense", "dense.variant1"}


def test_phrases_have_to_occur(index: Index) -> None:
    index.put("whole", "Mind the Notice-Period, please", direction=1)
    index.put("parted", "the notice is long, and so is the period of notice", direction=0)
    assert len(index.search("notice period").hits) == 2
    found = index.search("notice period", phrases=("notice period",))
    assert names(found) == ["whole"]
    assert index.search("notice period", phrases=("notice period", "parted")).hits == ()


def test_filters_reach_type_author_and_date(index: Index) -> None:
    index.put("a.pdf", "the first harbour", metadata={"author": "Jane Doe", "date": "2023-05-01"})
    index.put("b.html", "the second harbour", metadata={"author": "Bob", "date": "2024-05-01"})
    index.put("c.pdf", "the third harbour")
    year = attributes(media_type=None, name="", metadata={"date": "2024"}, parsed={}).dated_at
    for filters, expected in (
        (Filters(media_types=("application/pdf",)), {"a.pdf", "c.pdf"}),
        (Filters(authors=("DOE",)), {"a.pdf"}),
        (Filters(before=year), {"a.pdf"}),
        (Filters(after=year), {"b.html"}),
        (Filters(media_types=("application/pdf",), after=year), set()),
    ):
        assert set(names(index.search("harbour", filters=filters))) == expected


def test_the_ledger_has_the_last_word_on_filters(index: Index) -> None:
    false = Attributes("application/pdf", " jane doe ", 0)
    index.put("a.html", "harbour", metadata={"author": "Bob", "date": "2024"}, stored=false)
    assert names(index.search("harbour")) == ["a.html"]
    for filters in (
        Filters(media_types=("application/pdf",)), Filters(authors=("jane",)), Filters(before=9),
    ):  # fmt: skip
        assert index.search("harbour", filters=filters).hits == ()


def test_repeated_passages_show_once(index: Index) -> None:
    text = " ".join(f"Berth {n} pays a harbour fee of {7 * n} crowns." for n in range(20))
    index.put("first", f"{text} Ask Ann.", direction=1)
    index.put("second", f"{text} Ask Bob.", direction=2)
    index.put("other", "The harbour is closed.", direction=3)
    found = index.search("harbour fee", direction=1)
    assert names(found) == ["first", "other"]
    assert [hit.copies for hit in found.hits] == [1, 0]
    every = index.search("harbour fee", direction=1, recipe=Recipe(collapse=False))
    assert set(names(every)) == {"first", "second", "other"}


def test_what_only_others_may_read_is_no_copy(index: Index) -> None:
    index.put("secret", "the same harbour", principals=("group:board",))
    index.put("open", "the same harbour")
    assert [hit.copies for hit in index.search("harbour").hits] == [0]
    assert [hit.copies for hit in index.search("harbour", principals=("group:board",)).hits] == [1]


def test_neighbours_and_parents(index: Index) -> None:
    index.put(
        "doc", "intro", "one", "two harbour", "three", "outro",
        headings=("A", "A/B", "A/B", "A/B", "C"),
    )  # fmt: skip
    index.put("doc", "a", "new", "one", version="v2", commit=False)
    options = QueryOptions(neighbours=1, parents=True)
    [hit] = index.finished("harbour", options=options, top_k=1)
    assert hit.chunk.text == "two harbour"
    assert [chunk.text for chunk in hit.neighbours] == ["one", "three"]
    assert [chunk.text for chunk in hit.parent] == ["one", "two harbour", "three"]
    assert joined(hit.parent) == "one\n\ntwo harbour\n\nthree"
    [plain] = index.finished("harbour", top_k=1)
    assert (plain.neighbours, plain.parent, plain.explanation) == ((), (), {})


def test_explained_scores_add_up(index: Index) -> None:
    index.put("meaning", "nothing in common", direction=1)
    index.put("both", "the harbour crane", direction=1)
    hits = index.finished("harbour", direction=1, options=QueryOptions(explain=True))
    for hit in hits:
        told = hit.explanation
        parts = [value for key, value in told.items() if key.endswith(".part")]
        assert told["fused"] == told["score"] == pytest.approx(sum(parts))
        assert told["dense"] == hit.scores["dense"]
    assert (hits[0].explanation["bm25.rank"], hits[0].explanation["bm25.part"]) == (1.0, 0.5)


def test_diversity_chooses_what_is_not_yet_said(index: Index) -> None:
    index.put("one", "harbour fees harbour fees due monthly", direction=1)
    index.put("two", "harbour fees harbour fees due yearly", direction=1)
    index.put("three", "harbour opening hours in winter", direction=2)
    plain = index.finished("harbour fees", direction=1, top_k=2)
    assert {hit.uri[-3:] for hit in plain} == {"one", "two"}
    recipe = Recipe(diversity=0.7)
    spread = index.finished("harbour fees", direction=1, top_k=2, recipe=recipe)
    assert [hit.uri.rsplit("/", 1)[-1] for hit in spread][1] == "three"
