"""The graph over parts of this process: the ledger is real, so are planning and retrieval."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.graph import Graph, Handles
from smartypants.api.services import AnswerRequest
from smartypants.errors import DeadlineExceeded, LLMUnavailable, Overloaded
from smartypants.ledger import prompts, safety
from smartypants.ledger.database import connect
from smartypants.measures import MAX_PROMPT_VERSIONS
from smartypants.metering.payer import Payer, paying
from smartypants.processing import process
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import readable
from smartypants.protocols import Vectors
from smartypants.settings import Settings
from smartypants.types import (
    Answer,
    AnswerEvent,
    AnswerMode,
    Delta,
    Message,
    PromptRef,
    Query,
    SamplingParams,
    SearchPlan,
    SearchResult,
)
from tests.caching.searching import Collection

COLOUR = {"colour": "red"}


class Method:
    """A deployment's method, called here."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def remote(self, *args: Any) -> Any:
        return self._function(*args)


class Stream:
    """Deltas as Serve streams them."""

    def __init__(self, deltas: AsyncIterator[Delta]) -> None:
        self._deltas = deltas

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self._deltas

    def cancel(self) -> None:
        pass


class Part:
    def __init__(self, **methods: Callable[..., Any]) -> None:
        self.__dict__ |= {name: Method(function) for name, function in methods.items()}

    def options(self, **_: Any) -> Part:
        return self


class World:
    """A graph, and how often its parts were asked."""

    def __init__(
        self, folder: Path, url: str, scores: Callable[..., Any] | None = None, **sections: Any
    ) -> None:
        settings = Settings(
            data_dir=folder, ledger={"url": url}, embedder={"model": "m"}, **sections
        )
        self.docs = Collection(connect(url), "docs", None)
        self.searches = self.generations = 0
        self.pause_s = 0.0
        self.told: list[Message] = []
        self.payers: set[tuple[str, object]] = set()
        self.words: tuple[str, ...] | Exception = ("The fact of a ", "is v1 here.")
        handles: Any = Handles(
            query_processor=Part(process=self._process),  # type: ignore[arg-type]
            retriever=Part(retrieve=self._retrieve),  # type: ignore[arg-type]
            embedder=Part(embed=self._embed, embed_many=self._embed_many),  # type: ignore[arg-type]
            llm=Part(generate=self._generate),  # type: ignore[arg-type]
            job_runner=Part(),  # type: ignore[arg-type]
            reranker=scores and Part(scores=scores),  # type: ignore[arg-type]
        )
        self.settings = settings
        self.graph = Graph(settings, handles)

    async def _process(self, query: Query, payer: object) -> SearchPlan:
        self.payers.add(("process", payer))
        return await process(query, engine=self.docs.engine, settings=self.settings)

    def _retrieve(self, plan: SearchPlan, payer: object) -> Awaitable[SearchResult]:
        self.payers.add(("retrieve", payer))
        self.searches += 1
        return self.docs.find(plan)

    async def _embed(self, asked: tuple[str, object]) -> Vectors:
        self.payers.add(("embed", asked[1]))
        vector: Vectors = np.ones(4, dtype=np.float32) / 2
        return vector

    async def _embed_many(self, texts: list[str], payer: object) -> Vectors:
        self.payers.add(("embed", payer))
        return np.full((len(texts), 4), 0.5, dtype=np.float32)

    def _generate(self, messages: list[Message], *more: Any) -> Stream:
        self.payers.add(("generate", more[-1]))
        self.generations += 1
        self.told = messages

        async def deltas() -> AsyncIterator[Delta]:
            await asyncio.sleep(self.pause_s)
            if isinstance(self.words, Exception):
                raise self.words
            for word in self.words:
                yield Delta(word)
            yield Delta("", "stop", 5, 2)

        return Stream(deltas())

    def search(self, text: str, **more: Any) -> SearchResult:
        return asyncio.run(self.graph.search(Query(text, "docs", **more)))

    def ask(
        self, text: str, mode: AnswerMode = "generated", temperature: float = 0.0, **more: Any
    ) -> Answer:
        request = AnswerRequest(
            Query(text, "docs", **more), SamplingParams(temperature=temperature), mode
        )

        async def collect() -> list[AnswerEvent]:
            return [event async for event in self.graph.answer(request)]

        whole = asyncio.run(collect())[-1]
        assert isinstance(whole, Answer)
        return whole


@pytest.fixture
def world(tmp_path: Path, sqlite_ledger: str) -> World:
    made = World(tmp_path, sqlite_ledger)
    made.docs.write("a", "v1", ("public",), COLOUR)
    return made


def test_every_part_learns_whose_account_it_is_on(world: World) -> None:
    ann = Payer("a" * 32, "ann", route="/v1/answers", collection="docs")
    with paying(ann):
        world.ask("a v1")
        asyncio.run(world.graph.embed(["a v1"], None))
    assert world.payers == {(part, ann) for part in ("process", "retrieve", "embed", "generate")}


def test_texts_are_reranked_where_there_is_a_reranker(tmp_path: Path, sqlite_ledger: str) -> None:
    async def scores(query: str, texts: list[str]) -> list[float]:
        return [float(text == query) for text in texts]

    rerank = World(tmp_path, sqlite_ledger, scores).graph.services().rerank
    assert rerank is not None
    assert asyncio.run(rerank("a", ("b", "a"), None)) == [0.0, 1.0]
    assert World(tmp_path, sqlite_ledger).graph.services().rerank is None


async def too_late(*_: object) -> Any:
    await asyncio.sleep(60)


def test_models_that_are_called_by_themselves_have_a_deadline(
    tmp_path: Path, sqlite_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(World, "_embed_many", too_late)
    services = World(tmp_path, sqlite_ledger, too_late).graph.services()
    soon = time.time() + 0.05
    with pytest.raises(DeadlineExceeded):
        asyncio.run(services.embed(["a"], soon))
    assert services.rerank is not None
    with pytest.raises(DeadlineExceeded):
        asyncio.run(services.rerank("a", ["b"], soon))


def test_a_chat_has_a_deadline(world: World) -> None:
    world.pause_s = 60
    deltas = world.graph.services().generate([], SamplingParams(), "r", time.time() + 0.05)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(anext(aiter(deltas)))  # type: ignore[arg-type]


def test_searches_and_answers_are_made_once(world: World) -> None:
    assert [world.search("a v1").cached for _ in range(2)] == [False, True]
    first, second = world.ask("a v1"), world.ask("a v1")
    assert (first.cached, second.cached) == (False, True)
    assert second.text == first.text
    assert (world.searches, world.generations) == (1, 1)


def test_who_is_late_for_having_waited_is_told_to_come_back(
    tmp_path: Path, sqlite_ledger: str
) -> None:
    world = World(tmp_path, sqlite_ledger, serve={"search_places": 1})
    world.docs.write("a", "v1", ("public",), COLOUR)

    async def slow(query: Query, payer: object) -> SearchPlan:
        await asyncio.sleep(0.2 if query.deadline is None else 60)
        return await process(query, engine=world.docs.engine, settings=world.settings)

    handles = world.graph._searching._handles
    handles.query_processor.process = Method(slow)  # type: ignore[attr-defined]

    async def ask(deadline: float | None) -> SearchResult:
        return await world.graph.search(Query("a v1", "docs", deadline=deadline))

    async def both() -> list[SearchResult | BaseException]:
        first = asyncio.create_task(ask(None))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(ask(time.time() + 2.0))
        return await asyncio.gather(first, second, return_exceptions=True)

    done, late = asyncio.run(both())
    assert isinstance(done, SearchResult)
    assert isinstance(late, Overloaded)
    with pytest.raises(DeadlineExceeded):  # nobody was before it
        asyncio.run(ask(time.time() + 0.2))


def test_a_commit_makes_them_anew(world: World) -> None:
    world.ask("a v1")
    world.docs.write("b", "v1", ("public",), COLOUR)
    assert not world.ask("a v1").cached
    assert len(world.search("a v1").hits) == 2


@pytest.mark.parametrize(
    "more", [{"cache": False}, {"temperature": 0.7}, {"mode": "extractive"}, {"top_k": 3}]
)
def test_what_was_made_otherwise_is_another_answer(world: World, more: dict[str, Any]) -> None:
    world.ask("a v1")
    assert not world.ask("a v1", **more).cached


def use_prompt(world: World, text: str) -> str:
    engine = world.docs.engine
    template = readable({"messages": [{"role": "user", "content": text}]})
    version = prompts.create(engine, Kind.ANSWER, template, collection="docs").version
    prompts.activate(engine, Kind.ANSWER, [Share(version, 1.0)], collection="docs")
    return version


def test_an_activated_prompt_is_used_at_once(world: World) -> None:
    before = world.ask("a v1")
    assert before.prompt == default_prompt(Kind.ANSWER).ref
    version = use_prompt(world, "{{ passages[0].text }} {{ question }}")
    first, second = world.ask("a v1"), world.ask("a v1")
    assert [item.cached for item in (first, second)] == [False, True]
    assert first.prompt == second.prompt == PromptRef("answer", version)
    assert world.told == [Message("user", "a v1 a v1")]
    prompts.roll_back(world.docs.engine, Kind.ANSWER, collection="docs")
    back = world.ask("a v1")
    assert (back.cached, back.prompt) == (True, before.prompt)
    assert world.ask("a v1", "extractive").prompt is None


def test_safety_of_the_collection_counts_at_once(world: World) -> None:
    assert "fact" in world.ask("a v1").text
    assert world.ask("a v1").cached
    blocked = {"blocked": {"terms": ["fact"], "action": "refuse"}}
    safety.put(world.docs.engine, "docs", blocked)
    refused = world.ask("a v1")
    assert (refused.cached, refused.finish_reason) == (False, "content_filter")
    assert world.ask("a v1", "extractive").finish_reason == "stop"
    safety.reset(world.docs.engine, "docs")
    assert "fact" in world.ask("a v1").text


def test_prompts_are_counted_with_few_labels(world: World) -> None:
    for number in range(MAX_PROMPT_VERSIONS + 2):
        use_prompt(world, f"{number} {{{{ passages[0].text }}}} {{{{ question }}}}")
        world.ask("a v1")
    samples = [
        sample
        for collector in world.graph.services().collectors
        for family in collector.collect()
        for sample in family.samples
        if sample.name == "smartypants_answer_prompts_total"
    ]
    assert len(samples) == MAX_PROMPT_VERSIONS + 1
    assert {s.labels["version"]: s.value for s in samples}["other"] == 2


def test_extractive_answers_ask_no_model(world: World) -> None:
    answer = world.ask("a v1", "extractive")
    assert (answer.text, answer.mode, world.generations) == ("a v1 [1]", "extractive", 0)
    assert world.ask("a v1", "extractive").cached


def test_fallback_is_not_kept(world: World) -> None:
    world.words = LLMUnavailable("It is down.")
    assert world.ask("a v1").mode == "extractive"
    world.words = ("It is up.",)
    answer = world.ask("a v1")
    assert (answer.mode, answer.cached, answer.text) == ("generated", False, "It is up.")


def test_it_is_counted(world: World) -> None:
    world.ask("a v1")
    world.ask("a v1")
    names = {}
    for collector in world.graph.services().collectors:
        for family in collector.collect():
            for sample in family.samples:
                names[sample.name, *sample.labels.values()] = sample.value
    assert names["smartypants_cache_requests_total", "answer", "hit"] == 1
    assert names["smartypants_cache_requests_total", "answer", "miss"] == 1
    assert names["smartypants_answers_total", "generated", "yes", "stop", "yes"] == 1
    said = [
        names.get(("smartypants_answer_sentences_total", "generated", x)) for x in ("yes", "no")
    ]
    assert sum(value or 0 for value in said) == 1


@pytest.mark.parametrize("kind", ["none", "memory"])
def test_caches_can_be_switched_off(tmp_path: Path, sqlite_ledger: str, kind: str) -> None:
    world = World(tmp_path, sqlite_ledger, cache={"kind": kind})
    world.docs.write("a", "v1", ("public",), COLOUR)
    assert [world.search("a").cached for _ in range(2)] == [False, kind == "memory"]


def test_semantic_cache_is_off_until_asked_for(tmp_path: Path, sqlite_ledger: str) -> None:
    for enabled in (False, True):
        world = World(tmp_path, sqlite_ledger, cache={"semantic": {"enabled": enabled}})
        world.docs.write("a", "v1", ("public",), COLOUR)
        world.search("how old is a")
        # All vectors are the same here.
        assert world.search("what age has a").cached == enabled
