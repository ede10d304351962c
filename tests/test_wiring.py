"""Parts built from settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartypants import wiring
from smartypants.errors import DocumentTooLarge, ModelNotFound, SetupError
from smartypants.settings import Settings


def test_extractor_keeps_the_limits_of_the_settings(tmp_path: Path) -> None:
    limits = {"max_text_chars": 100, "max_chunks": 2, "memory_bytes": 2**30}
    extractor = wiring.make_extractor(Settings(data_dir=tmp_path, parsing=limits))
    assert extractor.extract(b"# Words\n\nmore", name="a.md").title == "Words"
    with pytest.raises(DocumentTooLarge, match="over 100"):
        extractor.extract(b"x" * 101, name="a.md")
    extractor.close()


def test_chunker_leaves_room_for_the_context(tmp_path: Path) -> None:
    chunker = wiring.describe_chunker(
        Settings(data_dir=tmp_path, chunker={"max_tokens": 100, "context_tokens": 20})
    )
    assert chunker.options["max_tokens"] == 100 - 20 - wiring.SPECIAL_TOKENS
    with pytest.raises(SetupError, match="leaves 2 of 52 tokens"):
        wiring.describe_chunker(
            Settings(data_dir=tmp_path, chunker={"max_tokens": 52, "context_tokens": 48})
        )


def test_model_without_a_fast_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFound, match=r"no .*tokenizer\.json"):
        wiring.describe_chunker(Settings(data_dir=tmp_path, embedder={"model": str(tmp_path)}))


def test_common_words(tmp_path: Path) -> None:
    words = wiring.common_words(Settings(data_dir=tmp_path))
    assert {"which", "harbour"} <= words
    assert not {"harbuor", "##ing", "fishbowl"} & words
    (tmp_path / "config.json").write_text("{}")
    assert wiring.common_words(Settings(embedder={"model": str(tmp_path)})) == frozenset()
