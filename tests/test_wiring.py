"""Parts built from settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartypants import ingest_wiring, wiring
from smartypants.errors import DocumentTooLarge, ModelNotFound, SetupError
from smartypants.settings import Settings
from tests.conftest import MINILM


def test_extractor_keeps_the_limits_of_the_settings(tmp_path: Path) -> None:
    limits = {"max_text_chars": 100, "max_chunks": 2, "memory_bytes": 2**30}
    extractor = ingest_wiring.make_extractor(Settings(data_dir=tmp_path, parsing=limits))
    assert extractor.extract(b"# Words\n\nmore", name="a.md").title == "Words"
    with pytest.raises(DocumentTooLarge, match="over 100"):
        extractor.extract(b"x" * 101, name="a.md")
    extractor.close()


def test_chunker_leaves_room_for_the_context(tmp_path: Path) -> None:
    chunker = ingest_wiring.describe_chunker(
        Settings(data_dir=tmp_path, chunker={"max_tokens": 100, "context_tokens": 20})
    )
    assert chunker.options["max_tokens"] == 100 - 20 - ingest_wiring.SPECIAL_TOKENS
    with pytest.raises(SetupError, match="leaves 2 of 52 tokens"):
        ingest_wiring.describe_chunker(
            Settings(data_dir=tmp_path, chunker={"max_tokens": 52, "context_tokens": 48})
        )


def test_model_without_a_fast_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFound, match=r"no .*tokenizer\.json"):
        ingest_wiring.describe_chunker(
            Settings(data_dir=tmp_path, embedder={"model": str(tmp_path)})
        )


REMOTE = {
    "kind": "openai",
    "model": "text-embedding-3-small",
    "dimension": 1536,
    "max_tokens": 300,
    "providers": {"openai": {"api_base": "https://api.openai.com/v1"}},
}


def test_embedder_elsewhere_needs_no_model_here(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, embedder=REMOTE)
    assert wiring.embedding_shape(settings) == (1536, 300)
    embedder = wiring.make_embedder(settings)
    assert (embedder.model, embedder.dimension) == ("text-embedding-3-small", 1536)
    assert ingest_wiring.make_tokenizer(settings) is None
    assert wiring.common_words(settings) == frozenset()


def test_chunks_for_an_embedder_elsewhere(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, embedder=REMOTE)
    chunker = ingest_wiring.describe_chunker(settings)
    assert chunker.options == {"tokenizer_path": None, "max_tokens": 300 - 48 - 2}
    extractor = ingest_wiring.make_extractor(settings)
    document = extractor.extract(b"# Words\n\n" + b"Some words more. " * 200, name="a.md")
    extractor.close()
    assert len(document.spans) > 2
    assert all(span.end - span.start <= 3 * 250 for span in document.spans)
    counted = Settings(data_dir=tmp_path, embedder={**REMOTE, "tokenizer": MINILM})
    assert (
        ingest_wiring.describe_chunker(counted).options["tokenizer_path"].endswith("tokenizer.json")
    )
    assert "harbour" in wiring.common_words(counted)


def test_llms_of_the_settings(tmp_path: Path, minilm: Path) -> None:
    providers = {
        "here": {"kind": "vllm", "models": {"small": str(minilm)}},
        "claude": {"kind": "anthropic", "models": ["big"], "api_base": "https://api.anthropic.com"},
        "gateway": {"models": ["big", "small"], "api_base": "http://gateway/v1"},
    }
    chosen = {"providers": providers, "routes": {"small": ["gateway", "here"]}}
    settings = Settings(data_dir=tmp_path, llm=chosen)
    llm = wiring.make_llm(settings)
    routes = {
        model: [(found.name, type(found.plugin).__name__) for found in route]
        for model, route in llm._providers.items()
    }
    assert routes == {
        "small": [("gateway", "OpenAILLM"), ("here", "VllmLLM")],
        "big": [("claude", "AnthropicLLM"), ("gateway", "OpenAILLM")],
    }
    assert llm.model == "small"
    assert settings.llm.in_graph
    assert settings.llm.local_model is None  # the gateway is asked first
    assert llm._providers["small"][0].health is llm._providers["big"][1].health


def test_endpoint_without_an_address(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"llm\.api_base is not set"):
        wiring.make_llm(Settings(data_dir=tmp_path, llm={"kind": "openai", "model": "m"}))


def test_common_words(tmp_path: Path) -> None:
    words = wiring.common_words(Settings(data_dir=tmp_path))
    assert {"which", "harbour"} <= words
    assert not {"harbuor", "##ing", "fishbowl"} & words
    (tmp_path / "config.json").write_text("{}")
    assert wiring.common_words(Settings(embedder={"model": str(tmp_path)})) == frozenset()
