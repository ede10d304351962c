"""Several providers as one: order, fallback, retries, budget, circuit, deadline, usage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack

import pytest

from smartypants.errors import (
    InvalidRequest,
    LLMUnavailable,
    ModelNotServed,
    Overloaded,
    SetupError,
    SmartyPantsError,
)
from smartypants.llms.anthropic import AnthropicLLM
from smartypants.llms.openai import OpenAILLM
from smartypants.options.providers import BreakerSettings, RetrySettings
from smartypants.protocols import LLM
from smartypants.providers.attempts import Health, Provider
from smartypants.providers.routed_llm import RoutedLLM
from smartypants.testing import QUESTION, LLMContract, ProviderServer
from smartypants.testing.providers import EARLY_FAULTS, STREAM_FAULTS, WORDS
from smartypants.types import Delta, SamplingParams, Usage
from tests.llms.conftest import KEY, limits

QUICK = RetrySettings(rounds=3, first_pause_s=0.001, longest_pause_s=0.002)
ONCE = RetrySettings(rounds=1)
TEXT = "".join(WORDS)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Site:
    """Two providers of the model `m`, and one more of `n`."""

    def __init__(self, servers: Sequence[ProviderServer]) -> None:
        self.first, self.second, self.third = servers
        self.usages: list[Usage] = []
        self.clock = Clock()

    def llm(
        self, retries: RetrySettings = QUICK, breaker: BreakerSettings | None = None
    ) -> RoutedLLM:
        def provider(name: str, made: LLM, price: float | None = None) -> Provider[LLM]:
            health = Health.of(retries, breaker or BreakerSettings(), self.clock)
            return Provider(name, made, health, price, price)

        key = "env:TEST_LLM_KEY"
        first = OpenAILLM(
            "m1",
            api_base=self.first.url,
            credential=key,
            timeouts=limits(self.first.steady),
            max_response_bytes=2**18,
        )
        second = AnthropicLLM("m2", api_base=self.second.url, credential=key)
        third = OpenAILLM("n", api_base=self.third.url)
        return RoutedLLM(
            {
                "m": [provider("one", first, 2.0), provider("two", second)],
                "n": [provider("three", third)],
            },
            default="m",
            retries=retries,
            note=self.usages.append,
            clock=self.clock,
        )


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site([stack.enter_context(ProviderServer()) for _ in range(3)])


async def ask(
    llm: RoutedLLM, model: str | None = None, deadline: float | None = None
) -> list[Delta]:
    params = SamplingParams(model=model)
    stream = llm.generate(QUESTION, params, request_id="r", deadline=deadline)
    return [delta async for delta in stream]


def text(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def llm(site: Site) -> RoutedLLM:
    return site.llm()


class TestContract(LLMContract):
    pass


def test_model_chooses_the_route(site: Site) -> None:
    async def main() -> None:
        llm = site.llm()
        for model in (None, "m", "n"):
            await ask(llm, model)
        with pytest.raises(ModelNotServed, match="'x'"):
            await ask(llm, "x")

    asyncio.run(main())
    assert [asked.body["model"] for asked in site.first.asked] == ["m1", "m1"]
    assert [asked.body["model"] for asked in site.third.asked] == ["n"]
    assert site.second.asked == []


@pytest.mark.parametrize("fault", [*EARLY_FAULTS, "401", "404"])
def test_fault_before_the_first_token_falls_back(site: Site, fault: str) -> None:
    site.first.steady = fault
    deltas = asyncio.run(ask(site.llm()))
    assert text(deltas) == TEXT
    assert (len(site.first.asked), len(site.second.asked)) == (1, 1)
    used = deltas[-1].usage
    assert used is not None
    assert (used.provider, used.attempts) == ("two", 2)


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_fault_after_the_first_token_is_passed_on(site: Site, fault: str) -> None:
    site.first.steady = fault
    said: list[str] = []

    async def main() -> None:
        async for delta in site.llm().generate(QUESTION, SamplingParams(), request_id="r"):
            said.append(delta.text)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(SmartyPantsError) as caught:
        asyncio.run(main())
    assert isinstance(caught.value, (LLMUnavailable, Overloaded))
    assert caught.value.retried
    assert said == WORDS[:1]
    assert site.second.asked == []
    [usage] = site.usages
    assert (usage.provider, usage.finished, usage.estimated) == ("one", False, True)
    assert (usage.prompt_tokens > 0, usage.completion_tokens) == (True, 1)


def test_the_callers_mistake_is_asked_of_nobody_else(site: Site) -> None:
    site.first.steady = "400"
    with pytest.raises(InvalidRequest):
        asyncio.run(ask(site.llm()))
    assert site.second.asked == []


def test_missing_credential_falls_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = site.llm()
    llm._providers["m"][0].plugin = OpenAILLM("m1", api_base=site.first.url, credential="env:NO_")
    assert text(asyncio.run(ask(llm))) == TEXT
    assert site.first.asked == []


def test_retries_go_round_in_order(site: Site) -> None:
    site.first.plan.extend(["500", "500"])
    site.second.plan.extend(["503", "503"])
    deltas = asyncio.run(ask(site.llm()))
    used = deltas[-1].usage
    assert used is not None
    assert (text(deltas), used.provider, used.attempts) == (TEXT, "one", 5)


def test_all_fail(site: Site) -> None:
    site.first.steady = site.second.steady = "500"
    with pytest.raises(LLMUnavailable, match="No provider of m answers") as caught:
        asyncio.run(ask(site.llm()))
    assert "one: " in str(caught.value)
    assert "two: " in str(caught.value)
    assert caught.value.retried
    assert KEY not in str(caught.value)
    assert (len(site.first.asked), len(site.second.asked)) == (3, 3)


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (("429", "429"), Overloaded),
        (("429", "500"), LLMUnavailable),
        (("401", "429"), LLMUnavailable),
        (("401", "404"), SetupError),
    ],
)
def test_last_word(site: Site, faults: tuple[str, str], error: type[SmartyPantsError]) -> None:
    site.first.steady, site.second.steady = faults
    with pytest.raises(SmartyPantsError) as caught:
        asyncio.run(ask(site.llm(ONCE)))
    assert type(caught.value) is error


def test_only_one_provider_says_it_in_its_own_words(site: Site) -> None:
    site.third.steady = "500"
    with pytest.raises(LLMUnavailable, match=r"127\.0\.0\.1.* answered 500"):
        asyncio.run(ask(site.llm(), "n"))
    assert len(site.third.asked) == 3


def test_retry_after_leaves_a_provider_alone(site: Site) -> None:
    site.first.steady, site.first.retry_after = "429", "60"

    async def main() -> None:
        llm = site.llm()
        for _ in range(3):
            assert text(await ask(llm)) == TEXT
        assert len(site.first.asked) == 1
        site.clock.now += 61
        await ask(llm)
        assert len(site.first.asked) == 2

    asyncio.run(main())


def test_retry_after_beyond_patience_is_told(site: Site) -> None:
    site.third.steady, site.third.retry_after = "429", "60"

    async def main() -> None:
        llm = site.llm()
        for _ in range(2):
            with pytest.raises(Overloaded) as caught:
                await ask(llm, "n")
            assert caught.value.retry_after_s == 60

    asyncio.run(main())
    assert len(site.third.asked) == 1


def test_budget_holds_in_a_storm(site: Site) -> None:
    site.third.steady = "503"
    retries = RetrySettings(
        rounds=3, ratio=0.1, reserve=5, first_pause_s=0.001, longest_pause_s=0.002
    )

    async def one(llm: RoutedLLM) -> None:
        with pytest.raises(LLMUnavailable):
            await ask(llm, "n")

    async def main() -> None:
        llm = site.llm(retries, BreakerSettings(failures=10_000))
        for _ in range(10):
            await asyncio.gather(*(one(llm) for _ in range(20)))

    asyncio.run(main())
    assert 200 < len(site.third.asked) <= 200 + 5 + 0.1 * 200


def test_circuit_opens_and_recovers(site: Site) -> None:
    site.first.steady = "500"

    async def main() -> None:
        llm = site.llm(ONCE, BreakerSettings(failures=3, open_s=30))
        for _ in range(6):
            assert text(await ask(llm)) == TEXT
        assert len(site.first.asked) == 3
        site.clock.now += 31
        await ask(llm)  # the trial fails
        await ask(llm)
        assert len(site.first.asked) == 4
        site.first.steady = "good"
        site.clock.now += 31
        used = [(await ask(llm))[-1].usage for _ in range(3)]
        assert [found.provider for found in used if found] == ["one"] * 3

    asyncio.run(main())


def test_open_circuit_of_the_only_provider_fails_at_once(site: Site) -> None:
    site.third.steady = "500"

    async def main() -> None:
        llm = site.llm(ONCE, BreakerSettings(failures=2, open_s=30))
        for _ in range(2):
            with pytest.raises(LLMUnavailable):
                await ask(llm, "n")
        site.clock.now += 10
        with pytest.raises(LLMUnavailable, match="left alone") as caught:
            await ask(llm, "n")
        assert caught.value.retry_after_s == 20

    asyncio.run(main())
    assert len(site.third.asked) == 2


def test_trial_whose_reader_left_lets_another_try(site: Site) -> None:
    async def main() -> None:
        llm = site.llm(ONCE, BreakerSettings(failures=1, open_s=30))
        site.third.plan.extend(["500", "hang"])
        with pytest.raises(LLMUnavailable):
            await ask(llm, "n")
        site.clock.now += 31
        trial = asyncio.create_task(ask(llm, "n"))
        while len(site.third.asked) < 2:
            await asyncio.sleep(0.01)
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        assert text(await ask(llm, "n")) == TEXT

    asyncio.run(main())


def test_who_hangs_has_a_share_of_the_deadline_only(site: Site) -> None:
    site.first.steady = "hang"
    llm = site.llm(ONCE, BreakerSettings(failures=1))
    for _ in range(2):  # and its circuit does not open for it
        assert text(asyncio.run(ask(llm, deadline=time.time() + 2))) == TEXT
    assert len(site.first.asked) == 2


def test_no_round_begins_after_the_deadline(site: Site) -> None:
    site.first.steady = site.second.steady = "500"
    slow = RetrySettings(rounds=9, first_pause_s=1e12, longest_pause_s=1e12)
    with pytest.raises(LLMUnavailable):
        asyncio.run(ask(site.llm(slow), deadline=time.time() + 60))
    assert (len(site.first.asked), len(site.second.asked)) == (1, 1)


def test_usage(site: Site) -> None:
    deltas = asyncio.run(ask(site.llm()))
    expected = Usage("one", "m", 9, 7, cost=(9 + 7) * 2.0 / 1e6, request_id="r")
    assert deltas[-1].usage == expected
    assert site.usages == [expected]


def test_usage_without_counts_and_prices(site: Site) -> None:
    site.third.steady = "no_usage"
    asyncio.run(ask(site.llm(), "n"))
    [usage] = site.usages
    assert (usage.estimated, usage.finished, usage.cost) == (True, True, None)
    assert usage.prompt_tokens > 0 < usage.completion_tokens


def test_reader_that_leaves_is_accounted_for(site: Site) -> None:
    site.first.steady = "endless"

    async def main() -> None:
        stream: AsyncGenerator[Delta, None] = site.llm().generate(
            QUESTION, SamplingParams(), request_id="r"
        )
        await anext(stream)
        await stream.aclose()

    asyncio.run(main())
    assert site.first.left.wait(10)
    [usage] = site.usages
    assert not usage.finished
