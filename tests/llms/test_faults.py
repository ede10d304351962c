"""Every fault of a provider is one of our errors, and none shows a secret."""

from __future__ import annotations

import asyncio
import io
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smartypants.errors import (
    InvalidRequest,
    LLMUnavailable,
    Overloaded,
    SetupError,
    SmartyPantsError,
)
from smartypants.llms.anthropic import AnthropicLLM
from smartypants.llms.openai import OpenAILLM
from smartypants.protocols import LLM
from smartypants.testing import QUESTION, ProviderServer
from smartypants.types import SamplingParams
from tests.llms.conftest import KEY, collect, limits

Make = Callable[..., LLM]
ERRORS = {
    "307": SetupError,
    "400": InvalidRequest,
    "401": SetupError,
    "402": SetupError,
    "403": SetupError,
    "404": SetupError,
    "408": LLMUnavailable,
    "409": LLMUnavailable,
    "413": InvalidRequest,
    "422": InvalidRequest,
    "429": Overloaded,
    "500": LLMUnavailable,
    "503": LLMUnavailable,
    "529": Overloaded,
    "hang": LLMUnavailable,
    "hang_mid_stream": LLMUnavailable,
    "cut": LLMUnavailable,
    "cut_early": LLMUnavailable,
    "ends_early": LLMUnavailable,
    "garbage": LLMUnavailable,
    "garbage_mid_stream": LLMUnavailable,
    "no_http": LLMUnavailable,
    "html": LLMUnavailable,
    "huge": LLMUnavailable,
    "drip": LLMUnavailable,
    "compressed": LLMUnavailable,
}


@pytest.fixture(params=[OpenAILLM, AnthropicLLM])
def make(request: pytest.FixtureRequest, server: ProviderServer) -> Make:
    plugin: Any = request.param

    def make(**keywords: Any) -> LLM:
        chosen = {
            "api_base": server.url,
            "credential": "env:TEST_LLM_KEY",
            "timeouts": limits(server.steady),
            "max_response_bytes": 2**20,
            **keywords,
        }
        llm: LLM = plugin("m", **chosen)
        return llm

    return make


@pytest.mark.parametrize("fault", ERRORS)
def test_errors_are_ours(make: Make, server: ProviderServer, fault: str) -> None:
    server.steady = fault
    with pytest.raises(SmartyPantsError) as caught:
        collect(make)
    assert type(caught.value) is ERRORS[fault]
    assert len(server.asked) == 1
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("fault", [*ERRORS, "error_event"])
def test_no_secret_is_shown(
    make: Make,
    server: ProviderServer,
    fault: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server.steady = fault
    stream = io.StringIO()
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler := logging.StreamHandler(stream))
    root.setLevel(logging.DEBUG)
    llm = make(headers={"X-Team-Token": "env:TEST_LLM_KEY"})
    try:
        with pytest.raises(SmartyPantsError) as caught:
            collect(lambda: llm)
        logging.getLogger("test").exception("failed", exc_info=caught.value)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert server.asked[0].headers["x-team-token"] == KEY
    shown = [stream.getvalue(), *capfd.readouterr(), repr(llm), str(vars(llm))]
    shown += traceback.format_exception(caught.value)
    shown += [repr(caught.value), pickle.dumps(caught.value).decode("latin-1")]
    assert "failed" in shown[0]
    assert KEY not in "\n".join(shown)


def test_pickled_description_has_no_secret(make: Make) -> None:
    llm = make(headers={"X-Team-Token": "env:TEST_LLM_KEY"})
    again = pickle.loads(pickle.dumps(llm))
    assert KEY.encode() not in pickle.dumps(llm)
    assert collect(lambda: again)[-1].finish_reason == "stop"


def test_no_redirect_carries_the_key_elsewhere(make: Make, server: ProviderServer) -> None:
    with ProviderServer() as other:
        server.steady, server.elsewhere = "307", f"{other.url}/chat/completions"
        with pytest.raises(SetupError, match="api_base"):
            collect(make)
        assert other.asked == []


@pytest.mark.parametrize("fault", ["error_event"])
def test_error_event(make: Make, server: ProviderServer, fault: str) -> None:
    server.steady = fault
    with pytest.raises((LLMUnavailable, Overloaded), match="too much for"):
        collect(make)


def test_retry_after_is_known(make: Make, server: ProviderServer) -> None:
    server.steady, server.retry_after = "429", "7"
    with pytest.raises(Overloaded) as caught:
        collect(make)
    assert caught.value.retry_after_s == 7.0


def test_rotated_secret_counts_at_once(make: Make, server: ProviderServer, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("first\n")
    llm = make(credential=f"file:{secret}")

    async def twice() -> None:
        for key in ("first\n", "second\n"):
            secret.write_text(key)
            async for _ in llm.generate(QUESTION, SamplingParams(), request_id="r"):
                pass

    asyncio.run(twice())
    sent = [
        asked.headers.get("x-api-key") or asked.headers["authorization"].removeprefix("Bearer ")
        for asked in server.asked
    ]
    assert sent == ["first", "second"]


def test_missing_secret_is_named_and_nothing_is_sent(make: Make, server: ProviderServer) -> None:
    with pytest.raises(SetupError, match="variable TEST_NO_SUCH_KEY is not set"):
        collect(lambda: make(credential="env:TEST_NO_SUCH_KEY"))
    assert server.asked == []


def test_refused_secret_is_named(make: Make, server: ProviderServer) -> None:
    server.steady = "401"
    with pytest.raises(SetupError, match="env:TEST_LLM_KEY"):
        collect(make)


def test_fields_of_the_request_can_be_set_and_left_out(make: Make, server: ProviderServer) -> None:
    request = {"temperature": None, "top_k": 5, "top_p": 0.9}
    collect(lambda: make(request=request, query={"api-version": "1"}), SamplingParams(stop=("x",)))
    asked = server.asked[0]
    assert "temperature" not in asked.body
    assert (asked.body["top_k"], asked.body["top_p"]) == (5, 0.9)
    assert asked.path.endswith("?api-version=1")
    assert asked.headers["x-request-id"] == "r"
