"""Embeddings of providers that misbehave, on real sockets."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartypants.embedders.openai import OpenAIEmbedder
from smartypants.errors import (
    EmbedderUnavailable,
    EmbeddingDimensionMismatch,
    InvalidRequest,
    Overloaded,
    SetupError,
    SmartyPantsError,
)
from smartypants.options.providers import BreakerSettings, EmbeddingProvider, RetrySettings
from smartypants.testing import EmbedderContract, ProviderServer
from smartypants.testing.providers import DIMENSION
from smartypants.types import Usage
from tests.canaries import canary

KEY = canary("sk-very-secret-key")
ONCE = RetrySettings(rounds=1)
QUICK = RetrySettings(rounds=3, first_pause_s=0.001, longest_pause_s=0.002)
ERRORS = {
    "400": InvalidRequest,
    "401": SetupError,
    "404": SetupError,
    "429": Overloaded,
    "500": EmbedderUnavailable,
    "hang": EmbedderUnavailable,
    "cut_early": EmbedderUnavailable,
    "garbage": EmbedderUnavailable,
    "no_http": EmbedderUnavailable,
    "html": EmbedderUnavailable,
    "compressed": EmbedderUnavailable,
    "wrong_dimension": EmbeddingDimensionMismatch,
    "wrong_count": EmbedderUnavailable,
    "zeros": EmbedderUnavailable,
}
Make = Callable[..., OpenAIEmbedder]


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture
def other() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


def make(*servers: ProviderServer, **keywords: Any) -> OpenAIEmbedder:
    options = {"credential": "env:TEST_EMBEDDER_KEY", **keywords.pop("options", {})}
    providers = {
        f"provider-{number}": EmbeddingProvider(api_base=server.url, **options)
        for number, server in enumerate(servers)
    }
    return OpenAIEmbedder("m", dimension=DIMENSION, providers=providers, **keywords)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_EMBEDDER_KEY", KEY)


@pytest.fixture
def embedder(server: ProviderServer) -> OpenAIEmbedder:
    return make(server, max_tokens=64)


class TestContract(EmbedderContract):
    pass


class TestContractWithTokenizer(EmbedderContract):
    @pytest.fixture
    def embedder(self, server: ProviderServer, minilm: Path) -> OpenAIEmbedder:
        return make(server, max_tokens=64, tokenizer=str(minilm / "tokenizer.json"))


@pytest.mark.parametrize("fault", ERRORS)
def test_errors_are_ours_and_show_no_secret(
    server: ProviderServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    timeout_s = 1.0 if fault == "hang" else 60.0
    make(server).embed(["what is imported at the first call takes longer than our time limit"])
    embedder = make(server, retries=ONCE, options={"timeout_s": timeout_s})
    server.steady = fault
    with caplog.at_level(logging.DEBUG), pytest.raises(SmartyPantsError) as caught:
        embedder.embed(["a", "b"])
    assert type(caught.value) is ERRORS[fault]
    assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}"
    shown = [caplog.text, repr(embedder), *traceback.format_exception(caught.value)]
    shown.append(pickle.dumps(caught.value).decode("latin-1"))
    assert KEY not in "\n".join(shown)


@pytest.mark.parametrize("fault", ["429", "500", "401", "wrong_dimension", "cut_early"])
def test_falls_back(server: ProviderServer, other: ProviderServer, fault: str) -> None:
    server.steady = fault
    usages: list[Usage] = []
    vectors = make(server, other, note=usages.append).embed(["a", "b"])
    assert vectors.shape == (2, DIMENSION)
    [usage] = usages
    assert (usage.provider, usage.prompt_tokens, usage.attempts) == ("provider-1", 6, 2)


def test_retries_a_request_and_not_the_whole(server: ProviderServer) -> None:
    server.plan.extend(["good", "500", "good"])
    embedder = make(server, retries=QUICK, options={"batch_texts": 2})
    assert embedder.embed(["a", "b", "c"]).shape == (3, DIMENSION)
    assert [asked.body["input"] for asked in server.asked] == [["a", "b"], ["c"], ["c"]]


def test_budget_and_circuit(server: ProviderServer) -> None:
    server.steady = "500"
    retries = RetrySettings(rounds=3, reserve=2, first_pause_s=0.001, longest_pause_s=0.002)
    embedder = make(server, retries=retries, breaker=BreakerSettings(failures=8))
    for _ in range(20):
        with pytest.raises(EmbedderUnavailable) as caught:
            embedder.embed(["a"])
        assert caught.value.retried
    assert len(server.asked) == 8


def test_requests_are_bounded_by_count_and_bytes(server: ProviderServer) -> None:
    embedder = make(server, options={"batch_texts": 3, "batch_bytes": 100})
    texts = ["x"] * 7 + ["y" * 60] * 3 + ["z" * 150]
    assert embedder.embed(texts).shape == (11, DIMENSION)
    sizes = [[len(text) for text in asked.body["input"]] for asked in server.asked]
    assert sizes == [[1, 1, 1], [1, 1, 1], [1, 60], [60], [60], [150]]


def test_rows_are_those_of_their_texts(server: ProviderServer) -> None:
    embedder = make(server)
    one, two = embedder.embed(["one", "two"])
    np.testing.assert_allclose(embedder.embed(["two"])[0], two, atol=1e-6)
    assert float(one @ two) < 0.99


def test_usage_and_cost(server: ProviderServer) -> None:
    usages: list[Usage] = []
    make(server, note=usages.append, options={"price": 2.0}).embed(["a"])
    server.steady = "no_usage"
    make(server, note=usages.append).embed(["a"])
    counted, estimated = usages
    assert counted == Usage("provider-0", "m", 3, cost=6e-6)
    assert (estimated.estimated, estimated.cost, estimated.prompt_tokens) == (True, None, 1)


def test_names_and_fields_that_an_endpoint_has_of_its_own(server: ProviderServer) -> None:
    options = {"model": "deployment", "request": {"dimensions": DIMENSION}, "headers": {"X-A": "b"}}
    make(server, options=options).embed(["a"])
    [asked] = server.asked
    assert (asked.body["model"], asked.body["dimensions"]) == ("deployment", DIMENSION)
    assert asked.headers["x-a"] == "b"


def test_nobody_listens() -> None:
    providers = {"none": EmbeddingProvider(api_base="http://127.0.0.1:9/v1")}
    embedder = OpenAIEmbedder("m", dimension=3, providers=providers, retries=ONCE)
    with pytest.raises(EmbedderUnavailable, match="can't be reached"):
        embedder.embed(["a"])
