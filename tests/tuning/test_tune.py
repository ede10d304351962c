"""Tuning over a real ledger and Milvus Lite; vectors are made so that one leg is right."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants.errors import EmbeddingModelMismatch, SetupError, ValidationFailed
from smartypants.ledger import acls, collections, commits, listing
from smartypants.ledger.commits import Indexed
from smartypants.protocols import Vectors
from smartypants.recipes import Recipe
from smartypants.tuning import generating
from smartypants.tuning.judgments import JudgedQuery, Judgments
from smartypants.tuning.legs import ask
from smartypants.tuning.tune import Tuned, tune
from smartypants.types import Chunk, DocumentRef, Message
from smartypants.vectorstores.milvus import MilvusVectorStore

pytestmark = pytest.mark.integration

DOCUMENTS, DIMENSION = 60, 16
ALL = Recipe(collapse=False)


def number_of(text: str) -> int:
    return int(text.split()[-1].removeprefix("axis"))


class Ring:
    """A text is a place on a ring, at the number that its last word ends with."""

    model = "ring"
    dimension = DIMENSION
    max_tokens = 64

    @staticmethod
    def shape(path: str) -> tuple[int, int]:
        return DIMENSION, 64

    def embed(self, texts: Sequence[str]) -> Vectors:
        angles = np.array([number_of(text) for text in texts]) * (2 * np.pi / DOCUMENTS)
        turns = np.outer(angles, np.arange(1, DIMENSION // 2 + 1))
        vectors = np.hstack([np.cos(turns), np.sin(turns)]).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


class Knowing:
    """A reranker for queries that mean the document `shift` after their vector's."""

    model = "knowing"

    def __init__(self, shift: int) -> None:
        self._shift = shift

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        wanted = number_of(query) + self._shift
        return [float(number_of(passage) == wanted) for passage in passages]


class Site:
    """A collection of numbered documents."""

    def __init__(self, engine: Engine, store: MilvusVectorStore) -> None:
        self.engine, self.store, self.name = engine, store, f"c{uuid.uuid4().hex[:12]}"
        found = collections.ensure(engine, self.name, embedding_model="ring", dimension=DIMENSION)
        self.physical = found.physical
        store.create(self.physical, dimension=DIMENSION)
        listing.register_source(
            engine, source_id="s", collection=self.name, kind="filesystem", uri="file:///"
        )
        refs = [
            DocumentRef("s", f"file:///{self.name}/{number}.md", f"{number}.md", "1", 1)
            for number in range(DOCUMENTS)
        ]
        listing.list_documents(engine, refs, collection=self.name, job_id="j", max_attempts=1)
        with engine.begin() as connection:
            acl = acls.acl_id(connection, ["public"])
        self.ids = [ref.document_id for ref in refs]
        texts = [f"{'filler words ' * 20}document about thing {n}" for n in range(DOCUMENTS)]
        chunks = [
            Chunk(name, "v1", 0, text, 0, len(text))
            for name, text in zip(self.ids, texts, strict=True)
        ]
        store.upsert(
            self.physical,
            chunks,
            Ring().embed(texts),
            acl_ids=[acl] * len(chunks),
            source_ids=["s"] * len(chunks),
        )
        store.flush(self.physical)
        done = [Indexed(name, "v1", name, 1) for name in self.ids]
        commits.commit(engine, self.name, done, [])

    def judged(self, count: int = DOCUMENTS - 1, *, shift: int = 0) -> Judgments:
        """Queries whose words say nothing, and whose vector is `shift` before what they mean."""
        queries = tuple(
            JudgedQuery(f"q{n}", f"zz axis{n}", {self.ids[n + shift]: 1}) for n in range(count)
        )
        return Judgments(queries, "a test")

    def tune(self, judged: Judgments, reranker: Knowing | None = None) -> Tuned:
        return tune(
            judged,
            ALL,
            collection=self.name,
            engine=self.engine,
            vectors=self.store,
            embedder=Ring(),
            reranker=reranker,
        )


@pytest.fixture
def engine(sqlite_ledger: str) -> Engine:
    from smartypants.ledger.database import connect

    return connect(sqlite_ledger)


@pytest.fixture
def site(engine: Engine, milvus: MilvusVectorStore) -> Site:
    return Site(engine, milvus)


def test_the_leg_that_is_right_alone(site: Site) -> None:
    # The words lead BM25 to the document after the one that is meant.
    judged = Judgments(
        tuple(
            JudgedQuery(f"q{n}", f"thing {n + 1} axis{n}", {site.ids[n]: 1})
            for n in range(DOCUMENTS - 1)
        ),
        "a test",
    )
    tuned = site.tune(judged)
    assert tuned.recipe.dense_weight > 0.5
    assert tuned.recipe.rerank is False
    assert tuned.recipe.collapse is False
    found = tuned.evidence
    assert found.gate.passed
    assert found.gate.proposed_score >= found.gate.best_single_score - found.gate.margin
    assert (found.train_queries, found.held_out_queries) == (59, 59)
    assert found.cross_validated
    assert (found.documents, found.embedding_model, found.reranker) == (60, "ring", None)
    by_name = {item.name: item for item in found.scores}
    assert by_name["dense, 50 candidates"].train == 1.0
    assert by_name["bm25, 50 candidates"].train < 0.9
    assert found.chosen in by_name


def test_a_reranker_that_helps_is_used_and_one_that_harms_is_not(site: Site) -> None:
    assert site.tune(site.judged(shift=1)).evidence.gate.proposed_score < 0.9
    helped = site.tune(site.judged(shift=1), Knowing(shift=1))
    assert helped.recipe.rerank is True
    assert helped.evidence.reranker == "knowing"
    assert helped.evidence.gate.proposed_score > 0.95
    harmed = site.tune(site.judged(), Knowing(shift=1))
    assert harmed.recipe.rerank is False
    assert harmed.evidence.gate.proposed_score == 1.0


def test_too_few(site: Site) -> None:
    with pytest.raises(ValidationFailed, match=r"19 judged queries.*At least 20"):
        site.tune(site.judged(19))


def test_another_model(site: Site) -> None:
    class Other(Ring):
        model = "other"

    with pytest.raises(EmbeddingModelMismatch):
        ask(
            site.judged().queries,
            collection=site.name,
            engine=site.engine,
            vectors=site.store,
            embedder=Other(),
            depth=10,
        )


def test_only_what_searches_show(site: Site) -> None:
    commits.mark_deleted(site.engine, site.name, [site.ids[3]])
    [legs] = ask(
        site.judged().queries[3:4],
        collection=site.name,
        engine=site.engine,
        vectors=site.store,
        embedder=Ring(),
        depth=DOCUMENTS,
    )
    ranked = [passage.document_id for passage in legs.ranking(Recipe(candidates=DOCUMENTS))]
    assert len(ranked) == DOCUMENTS - 1
    assert site.ids[3] not in ranked


def test_generated_questions(site: Site) -> None:
    asked: list[str] = []

    def llm(messages: Sequence[Message]) -> str:
        text = messages[-1].content
        asked.append(text)
        if len(asked) % 4 == 0:
            return "I can't."
        return f"Question: What is said about {text.split()[-1]}?\nAnswer: much"

    found = generating.generate(site.engine, site.store, site.name, count=20, ask=llm)
    assert len(found.queries) == 20
    for query in found.queries:
        assert query.text.startswith("What is said about ")
        [(document, grade)] = query.grades.items()
        number = query.text.removesuffix("?").split()[-1]
        assert (document, grade) == (site.ids[int(number)], 1)
    again = generating.sample(site.engine, site.store, site.name, count=20)
    assert again == generating.sample(site.engine, site.store, site.name, count=20)
    assert len({chunk.document_id for chunk in again}) == 20


def test_a_model_that_asks_nothing(site: Site) -> None:
    with pytest.raises(SetupError, match="0 questions"):
        generating.generate(
            site.engine, site.store, site.name, count=20, ask=lambda messages: "No."
        )


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("What is it?", "What is it?"),
        ('"Why is the sky blue?"', "Why is the sky blue?"),
        ("Question 1: Who wrote this book?\nQuestion 2: When?", "Who wrote this book?"),
        ("Here is one:\nWhere is the key kept?", "Where is the key kept?"),
        ("The sky is blue.", None),
        ("?", None),
    ],
)
def test_question_in(said: str, question: str | None) -> None:
    assert generating.question_in(said) == question
