"""What a search does where there is little time, or a part is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import RayActorError

from smartypants.errors import Overloaded
from smartypants.types import Query, SearchResult
from tests.deployments.test_graph import COLOUR, World

MODEL = {"reranker": {"model": "a-folder"}, "cache": {"kind": "none"}}


def filled(world: World) -> World:
    for name in ("a", "b"):
        world.docs.write(name, "v1", ("public",), COLOUR)
    return world


async def backwards(query: str, passages: Sequence[str]) -> list[float]:
    return [float(number) for number in range(len(passages))]


def test_reranker_has_the_last_word(tmp_path: Path, sqlite_ledger: str) -> None:
    world = filled(World(tmp_path, sqlite_ledger, backwards, **MODEL))
    hits = world.search("v1").hits
    assert [hit.scores["rerank"] for hit in hits] == [1.0, 0.0]


def test_fused_order_stands_where_the_reranker_is_away(tmp_path: Path, sqlite_ledger: str) -> None:
    async def dead(query: str, passages: Sequence[str]) -> list[float]:
        raise RayActorError

    world = filled(World(tmp_path, sqlite_ledger, dead, **MODEL))
    result = world.search("v1")
    assert len(result.hits) == 2
    assert result.skipped["rerank"].startswith("the reranker failed")


def test_no_reranking_that_the_deadline_has_no_time_for(tmp_path: Path, sqlite_ledger: str) -> None:
    async def slow(query: str, passages: Sequence[str]) -> list[float]:
        await asyncio.sleep(0.5)
        return await backwards(query, passages)

    world = filled(World(tmp_path, sqlite_ledger, slow, **MODEL))
    assert "rerank" not in world.search("v1").skipped  # how long it takes is known from now on
    result = world.search("v1", deadline=time.time() + 0.45)
    assert result.skipped["rerank"] == "the deadline leaves no time for it"


def test_past_capacity_some_are_refused_and_the_rest_is_not_reranked(
    tmp_path: Path, sqlite_ledger: str
) -> None:
    async def slow(query: str, passages: Sequence[str]) -> list[float]:
        await asyncio.sleep(0.1)
        return await backwards(query, passages)

    world = filled(World(tmp_path, sqlite_ledger, slow, serve={"search_places": 1}, **MODEL))

    async def burst(count: int, within_s: float) -> list[SearchResult | BaseException]:
        deadline = time.time() + within_s
        asked = [world.graph.search(Query("v1", "docs", deadline=deadline)) for _ in range(count)]
        return await asyncio.gather(*asked, return_exceptions=True)

    async def main() -> list[SearchResult | BaseException]:
        await burst(6, 60)  # from now on it is known how long a turn takes
        return await burst(40, 1.5)

    outcomes = asyncio.run(main())
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    done: list[Any] = [outcome for outcome in outcomes if isinstance(outcome, SearchResult)]
    assert len(refused) + len(done) == len(outcomes), outcomes
    assert refused
    assert all((outcome.retry_after_s or 0) > 0 for outcome in refused)
    assert done
    # Which of the two it is depends on how busy the machine is, too.
    why = {"the system is busy", "the deadline leaves no time for it"}
    assert why & {result.skipped.get("rerank") for result in done}


@pytest.mark.parametrize("away", [1, 2])
def test_part_that_comes_back_is_asked_again(
    tmp_path: Path, sqlite_ledger: str, monkeypatch: pytest.MonkeyPatch, away: int
) -> None:
    world = filled(World(tmp_path, sqlite_ledger))
    left = [RayActorError()] * away
    process = world._process

    async def flaky(query: Query, payer: object) -> Any:
        if left:
            raise left.pop()
        return await process(query, payer)

    part = world.graph._handles.query_processor
    monkeypatch.setattr(part.process, "_function", flaky)
    assert len(world.search("v1").hits) == 2
    assert not left
