"""What providers report is what the ledger has, however calls end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants import accounting, wiring
from smartypants.errors import SmartyPantsError
from smartypants.ledger import usage
from smartypants.ledger.usage import Total, Wanted
from smartypants.limits.limiter import Limiter
from smartypants.limits.settings import LimitSettings
from smartypants.limits.store import MemoryLimits
from smartypants.metering.embedding import MeteredEmbedder
from smartypants.metering.meter import Meter
from smartypants.metering.payer import Payer
from smartypants.metering.settings import MeteringSettings
from smartypants.protocols import Embedder, Vectors
from smartypants.providers.usage import NoteUsage
from smartypants.settings import Settings
from smartypants.testing import QUESTION, ProviderServer
from smartypants.testing.providers import DIMENSION, WORDS
from smartypants.types import SamplingParams, Usage

ANN = Payer("a" * 32, "ann", "k" * 16, "/v1/answers", "docs")
BOB = Payer("b" * 32, "bob", "", "/v1/chat/completions")
PRICES = {"prices": {"m": {"prompt": 1.0, "completion": 2.0}}}


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as running:
        yield running


def totals(engine: Engine, *by: str) -> list[Total]:
    return usage.totals(engine, Wanted(), by, limit=100)  # type: ignore[arg-type]


def generate(settings: Settings, meter: Meter, payer: Payer, *, leave_after: int = 99) -> None:
    """One call, as the deployment makes it."""
    llm = wiring.make_llm(settings, note=lambda _: None)

    async def run() -> None:
        note = partial(meter.called, payer)
        deltas = llm.generate(QUESTION, SamplingParams(max_tokens=50), request_id="r", note=note)
        count = 0
        async with aclosing(deltas):
            async for _ in deltas:
                count += 1
                if count >= leave_after:
                    return

    asyncio.run(run())


def settings_of(folder: Path, url: str, server: ProviderServer) -> Settings:
    provider = {"kind": "openai", "api_base": server.url, "models": ["m"]}
    return Settings(data_dir=folder, ledger={"url": url}, llm={"providers": {"p": provider}})


def test_sums_are_what_the_provider_reported(
    tmp_path: Path, either_ledger: str, engine: Engine, server: ProviderServer
) -> None:
    settings = settings_of(tmp_path, either_ledger, server)
    meter = Meter(MeteringSettings.model_validate(PRICES), engine)
    for payer in (ANN, BOB, ANN):
        generate(settings, meter, payer)
    meter.close()
    ann, bob = totals(engine, "user")
    prompt, completion = 9, len(WORDS)  # what the server says of each call
    assert (ann.group, ann.sums.calls) == (("a" * 32,), 2)
    assert (ann.sums.prompt_tokens, ann.sums.completion_tokens) == (2 * prompt, 2 * completion)
    assert (bob.sums.prompt_tokens, bob.sums.completion_tokens) == (prompt, completion)
    assert ann.sums.cost == pytest.approx(2 * (prompt + 2 * completion) / 1e6)
    assert (ann.sums.estimated, ann.sums.unpriced) == (0, 0)
    assert {each.group for each in totals(engine, "collection", "route", "provider", "model")} == {
        ("docs", "/v1/answers", "p", "m"), ("", "/v1/chat/completions", "p", "m"),
    }  # fmt: skip


def test_without_prices_costs_are_unknown(
    tmp_path: Path, either_ledger: str, engine: Engine, server: ProviderServer
) -> None:
    meter = Meter(MeteringSettings(), engine)
    generate(settings_of(tmp_path, either_ledger, server), meter, ANN)
    meter.close()
    [total] = totals(engine)
    assert (total.sums.cost, total.sums.unpriced) == (None, 1)


def test_who_leaves_early_has_used_something(
    tmp_path: Path, either_ledger: str, engine: Engine, server: ProviderServer
) -> None:
    server.steady = "endless"
    meter = Meter(MeteringSettings(), engine)
    generate(settings_of(tmp_path, either_ledger, server), meter, ANN, leave_after=2)
    meter.close()
    [total] = totals(engine)
    assert (total.sums.calls, total.sums.estimated) == (1, 1)
    assert total.sums.completion_tokens > 0
    assert total.sums.prompt_tokens > 0


def test_tokens_are_debited(sqlite_ledger: str, engine: Engine) -> None:
    chosen = LimitSettings.model_validate({"user": {"tokens": {"limit": 100, "per_s": 3600}}})
    limiter = Limiter(chosen, MemoryLimits())
    meter = Meter(MeteringSettings(on=False), engine, limiter=limiter)
    meter.called(ANN, Usage("p", "m", 70, 50))
    meter.close()
    assert limiter.admit(ANN, spends_tokens=True).refusal is not None
    assert limiter.admit(BOB, spends_tokens=True).refusal is None
    assert totals(engine) == []  # metering is off


class Counting:
    """An embedder that tells what it used, in several requests, and fails where it is told to."""

    model = "e"
    dimension = 2
    max_tokens = 100

    def __init__(self, note: NoteUsage, tokens: Sequence[int], fail: bool = False) -> None:
        self._note, self._tokens, self._fail = note, tokens, fail

    def embed(self, texts: Sequence[str]) -> Vectors:
        for tokens in self._tokens:
            self._note(Usage("remote", "e", tokens, cost=tokens / 4))
        if self._fail:
            raise SmartyPantsError("gone")
        return np.ones((len(texts), 2), dtype=np.float32)


def embedder(meter: Meter, tokens: Sequence[int], *, fail: bool = False) -> MeteredEmbedder:
    def make(note: NoteUsage) -> Embedder:
        return Counting(note, tokens, fail)  # type: ignore[return-value]

    return MeteredEmbedder(make, meter, provider="here")


def test_a_batch_is_shared_out_to_the_last_token(engine: Engine) -> None:
    meter = Meter(MeteringSettings(), engine)
    texts = ["a", "a much longer text of ann's that takes more", "b", "b"]
    embedder(meter, [101, 50]).embed(texts, [ANN, ANN, BOB, BOB])
    meter.close()
    ann, bob = totals(engine, "user")
    assert ann.sums.prompt_tokens + bob.sums.prompt_tokens == 151
    assert ann.sums.prompt_tokens > bob.sums.prompt_tokens > 0
    assert (ann.sums.embeddings, bob.sums.embeddings) == (2, 2)
    assert (ann.sums.cost or 0) + (bob.sums.cost or 0) == pytest.approx(151 / 4)


def test_an_embedder_of_this_machine_is_estimated(engine: Engine) -> None:
    meter = Meter(MeteringSettings(), engine)
    embedder(meter, []).embed(["some words to embed"], [ANN])
    embedder(meter, []).embed([], [])
    meter.close()
    [total] = totals(engine, "provider", "model")
    assert total.group == ("here", "e")
    assert (total.sums.embeddings, total.sums.estimated, total.sums.cost) == (1, 1, None)
    assert total.sums.prompt_tokens > 0


def test_what_failed_after_it_was_paid_counts(engine: Engine) -> None:
    meter = Meter(MeteringSettings(), engine)
    with pytest.raises(SmartyPantsError):
        embedder(meter, [7], fail=True).embed(["x"], [ANN])
    with pytest.raises(SmartyPantsError):
        embedder(meter, [], fail=True).embed(["x"], [ANN])
    meter.close()
    [total] = totals(engine)
    assert (total.sums.prompt_tokens, total.sums.calls) == (7, 1)


def test_a_remote_embedder(
    tmp_path: Path, either_ledger: str, engine: Engine, server: ProviderServer
) -> None:
    chosen = {"kind": "openai", "model": "e", "dimension": DIMENSION,
              "providers": {"p": {"api_base": server.url, "price": 3.0}}}  # fmt: skip
    settings = Settings(data_dir=tmp_path, ledger={"url": either_ledger}, embedder=chosen)
    meter = Meter(MeteringSettings(), engine)
    reported: list[Usage] = []
    made = accounting.make_metered_embedder(settings, meter)
    wiring.make_embedder(settings, note=reported.append).embed(["one", "two words"])
    made.embed(["one", "two words"], [ANN, BOB])
    meter.close()
    found = totals(engine, "user")
    assert sum(each.sums.prompt_tokens for each in found) == reported[0].prompt_tokens > 0
    assert sum(each.sums.embeddings for each in found) == 2
    assert {each.sums.unpriced for each in found} == {0}


def test_a_process_that_is_killed_loses_less_than_a_second(
    either_ledger: str, engine: Engine
) -> None:
    program = f"""
import os, signal, time
from smartypants.ledger.database import connect
from smartypants.metering.meter import Meter
from smartypants.metering.payer import Payer
from smartypants.metering.settings import MeteringSettings

meter = Meter(MeteringSettings(), connect({either_ledger!r}))
for number in range(10):
    meter.requested(Payer("a"))
time.sleep(1.0)
meter.requested(Payer("late"))
print("noted", flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"noted\n"
    child.kill()
    child.wait()
    counts = {each.group: each.sums.requests for each in totals(engine, "user")}
    assert counts[("a",)] == 10
