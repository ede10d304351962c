"""Providers and routes as settings."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from smartypants.options.answering import LLMSettings
from smartypants.options.providers import EmbeddingProvider, LLMProvider
from smartypants.settings import Settings

ONE = {"api_base": "http://one/v1", "models": ["gpt-5", "gpt-5-mini"]}
TWO = {"api_base": "http://two/v1", "models": {"gpt-5": "deployment", "best": "gpt-5"}}
EMBEDDER = {"kind": "openai", "model": "m"}


def llm(**keywords: Any) -> LLMSettings:
    return LLMSettings(**{"providers": {"one": ONE, "two": TWO}, **keywords})


def test_models_have_the_providers_that_list_them_in_order() -> None:
    assert llm().models == {"gpt-5": ("one", "two"), "gpt-5-mini": ("one",), "best": ("two",)}
    assert llm().name == "gpt-5"
    assert llm(default_model="best").name == "best"


def test_route_gives_the_order() -> None:
    routes = {"gpt-*": ["two", "one"], "gpt-5-mini": ["one"]}
    assert llm(routes=routes).models == {
        "gpt-5": ("two", "one"),
        "gpt-5-mini": ("one",),
        "best": ("two",),
    }


def test_name_beats_pattern_and_earlier_pattern_later_one() -> None:
    routes = {"*": ["one", "two"], "gpt-*": ["two", "one"], "gpt-5": ["two"]}
    assert llm(routes=routes).models["gpt-5"] == ("two",)
    routes = {"gpt-*": ["two", "one"], "*": ["one", "two"]}
    assert llm(routes=routes).models["gpt-5"] == ("two", "one")


def test_one_provider_as_ever() -> None:
    chosen = LLMSettings()
    assert chosen.models == {"HuggingFaceTB/SmolLM2-135M-Instruct": ("vllm",)}
    assert (chosen.in_graph, chosen.local_model) == (True, "HuggingFaceTB/SmolLM2-135M-Instruct")
    remote = LLMSettings(kind="openai", model="gpt-5", served_name="big", api_base="http://x/v1")
    assert remote.models == {"big": ("openai",)}
    assert remote.all_providers["openai"].models == {"big": "gpt-5"}
    assert (remote.in_graph, remote.local_model) == (False, None)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"routes": {"gpt-5": ["three"]}}, "three, which is not in providers"),
        ({"routes": {"claude-*": ["one"]}}, "route of no model"),
        ({"routes": {"best": ["one"]}}, "lists the model best"),
        ({"default_model": "x"}, "none of gpt-5, gpt-5-mini, best"),
        ({"model": "x"}, r"llm\.model and llm\.providers"),
        ({"kind": "openai"}, r"llm\.kind and llm\.providers"),
        ({"providers": {}, "routes": {"a": ["b"]}}, r"need llm\.providers"),
        ({"providers": {"one": {"models": ["m"]}}}, "needs api_base"),
        ({"providers": {"one": {**ONE, "models": []}}}, "at least 1"),
        ({"providers": {"a": {"kind": "vllm", "models": ["m", "n"]}}}, "with one model"),
        (
            {"providers": {n: {"kind": "vllm", "models": ["m"]} for n in "ab"}},
            "one provider can be of the kind vllm",
        ),
    ],
)
def test_mistakes(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        llm(**keywords)


@pytest.mark.parametrize(
    "options",
    [
        {"credential": "sk-TOPSECRET"},
        {"headers": {"api-key": "TOPSECRET"}},
        {"headers": {"Authorization": "Bearer TOPSECRET"}},
        {"query": {"key": "TOPSECRET"}},
        {"query": {"sig": "env:NAME"}},
        {"api_base": "https://user:TOPSECRET@host/v1"},
        {"api_base": "https://host/v1?key=TOPSECRET"},
        {"api_base": "ftp://host"},
    ],
)
def test_secrets_are_refused_and_not_shown(options: dict[str, Any]) -> None:
    for kind in (LLMProvider, EmbeddingProvider):
        with pytest.raises(ValidationError) as caught:
            kind.model_validate({**ONE, **options} if kind is LLMProvider else options)
        assert "TOPSECRET" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        Settings(llm={"providers": {"one": {**ONE, **options}}})
    assert "TOPSECRET" not in str(caught.value)


def test_settings_hold_references_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "TOPSECRET")
    one = {**ONE, "headers": {"api-key": "env:TEST_KEY"}, "query": {"api-version": "1"}}
    settings = Settings(llm={"providers": {"one": {**one, "credential": "env:TEST_KEY"}}})
    shown = repr(settings) + settings.model_dump_json() + pickle.dumps(settings).decode("latin-1")
    assert "env:TEST_KEY" in shown
    assert "TOPSECRET" not in shown


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({}, "just if"),
        ({"providers": {"one": {"api_base": "http://x/v1"}}}, r"embedder\.dimension"),
        ({"dimension": 3, "providers": {"one": {}}}, "needs api_base"),
        ({"kind": "sentence_transformers", "providers": {"one": {}}}, "just if"),
    ],
)
def test_mistakes_of_the_embedder(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(embedder={**EMBEDDER, **keywords})
