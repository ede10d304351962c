from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError

from deployments.calls import call, stream
from smartypants.errors import (
    CollectionNotFound,
    DeadlineExceeded,
    LLMUnavailable,
    Overloaded,
    SmartyPantsError,
    Unavailable,
    VectorStoreUnavailable,
)


async def failing(exc: BaseException) -> None:
    raise exc


def remote(cause: Exception) -> RayTaskError:
    return RayTaskError("f", "a remote traceback with secrets", cause)


def broken_off(code: StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), "a remote traceback with secrets")


@pytest.mark.parametrize(
    ("raised", "answered"),
    [
        (remote(CollectionNotFound("no x", "make it")), CollectionNotFound),
        (CollectionNotFound("no x", "make it"), CollectionNotFound),
        (BackPressureError(10, 10), Overloaded),
        (RayActorError(), Unavailable),
        (broken_off(StatusCode.CANCELLED), Unavailable),
        (broken_off(StatusCode.UNAVAILABLE), Unavailable),
        (TimeoutError(), DeadlineExceeded),
    ],
)
def test_answers_from_the_cause(raised: Exception, answered: type[SmartyPantsError]) -> None:
    with pytest.raises(answered) as caught:
        asyncio.run(call(lambda: failing(raised), patience_s=0))
    assert "traceback" not in str(caught.value)
    if answered is CollectionNotFound:
        assert (caught.value.message, caught.value.hint) == ("no x", "make it")


def test_deadline() -> None:
    async def never() -> None:
        await asyncio.sleep(60)

    with pytest.raises(DeadlineExceeded):
        asyncio.run(call(never, deadline=time.time() + 0.05))


def test_what_is_no_error_of_ours_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call(lambda: failing(ZeroDivisionError())))


class Flaky:
    """Away at first, then there; counts who asks."""

    def __init__(self, away: int, error: Exception) -> None:
        self.away, self.error, self.asked = away, error, 0

    async def answer(self) -> str:
        self.asked += 1
        if self.asked <= self.away:
            raise self.error
        return "here"


@pytest.mark.parametrize("error", [RayActorError(), VectorStoreUnavailable("it restarts")])
def test_what_is_away_is_asked_again(error: Exception) -> None:
    flaky = Flaky(2, error)
    assert asyncio.run(call(flaky.answer)) == "here"
    assert flaky.asked == 3


@pytest.mark.parametrize("error", [BackPressureError(10, 10), CollectionNotFound("no x")])
def test_what_asking_again_does_not_help_is_asked_once(error: Exception) -> None:
    flaky = Flaky(1, error)
    with pytest.raises((Overloaded, CollectionNotFound)):
        asyncio.run(call(flaky.answer))
    assert flaky.asked == 1


def test_asking_again_ends_at_the_deadline() -> None:
    flaky = Flaky(10**6, RayActorError())
    with pytest.raises(Unavailable):
        asyncio.run(call(flaky.answer, deadline=time.time() + 0.4))
    assert 1 < flaky.asked < 4


class Items:
    """A deployment's stream that breaks off after some items."""

    def __init__(self, items: list[str], error: Exception | None) -> None:
        self._items, self._error = items, error
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[str]:
        for item in self._items:
            yield item
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        self.cancelled = True


async def read(streams: list[Items]) -> list[str]:
    left = iter(streams)
    return [item async for item in stream(lambda: next(left), str)]


def test_stream_is_begun_again_before_its_first_item_only() -> None:
    streams = [Items([], RayActorError()), Items(["a", "b"], None)]
    assert asyncio.run(read(streams)) == ["a", "b"]
    assert all(each.cancelled for each in streams)
    broken = [Items(["a"], RayActorError()), Items(["a", "b"], None)]
    with pytest.raises(Unavailable):
        asyncio.run(read(broken))
    assert not broken[1].cancelled


class Slow(Items):
    """A stream that takes its time for each item."""

    async def __aiter__(self) -> AsyncIterator[str]:
        for item in self._items:
            await asyncio.sleep(0.2)
            yield item


def test_the_first_item_has_a_time_limit_of_its_own() -> None:
    async def read(first_s: float) -> list[str]:
        slow = Slow(["a", "b", "c"], None)
        items = stream(lambda: slow, str, deadline=time.time() + 60, first_by=time.time() + first_s)
        try:
            return [item async for item in items]
        finally:
            assert slow.cancelled

    with pytest.raises(DeadlineExceeded):
        asyncio.run(read(0.05))
    assert asyncio.run(read(0.4)) == ["a", "b", "c"]


def test_what_was_retried_there_is_asked_once() -> None:
    asked = 0

    async def down() -> None:
        nonlocal asked
        asked += 1
        error = LLMUnavailable("No provider answers.")
        error.retried, error.retry_after_s = True, 20.0
        raise remote(error)

    with pytest.raises(LLMUnavailable) as caught:
        asyncio.run(call(down))
    assert (asked, caught.value.retry_after_s) == (1, 20.0)
