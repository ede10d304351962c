"""Tokens without the model: the same as sentence-transformers makes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smartypants.errors import ModelNotFound
from smartypants.testing import HOSTILE_STRINGS, EmbedderContract
from smartypants.tokenizing import ModelTokenizer, cut_at, load_tokenizer


def test_ids_of_minilm(minilm: Path) -> None:
    (ids,) = ModelTokenizer(path=str(minilm), max_tokens=256).tokenize(["a text"])
    assert ids.tolist() == [101, 1037, 3793, 102]
    assert ids.dtype == "int32"


def test_no_texts(minilm: Path) -> None:
    assert ModelTokenizer(path=str(minilm), max_tokens=256).tokenize([]) == []


@pytest.mark.integration
def test_same_ids_as_sentence_transformers(minilm: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [*EmbedderContract.TEXTS, "  two  spaces ", "UPPER Ünïcode", "word " * 600]
    theirs = SentenceTransformer(str(minilm), device="cpu").tokenizer(
        texts, truncation=True, max_length=256
    )["input_ids"]
    ours = ModelTokenizer(path=str(minilm), max_tokens=256).tokenize(texts)
    assert [ids.tolist() for ids in ours] == [list(ids) for ids in theirs]


def test_cut_at_the_limit(minilm: Path) -> None:
    tokenizer = ModelTokenizer(path=str(minilm), max_tokens=8)
    first, second, short = tokenizer.tokenize(["word " * 20, "word " * 30, "a"])
    assert first.tolist() == second.tolist()
    assert [len(first), len(short)] == [8, 3]


def test_default_prompt_comes_first(minilm: Path, tmp_path: Path) -> None:
    shutil.copy(minilm / "tokenizer.json", tmp_path)
    config = {"prompts": {"passage": "passage: "}, "default_prompt_name": "passage"}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(config))
    prompted = ModelTokenizer(path=str(tmp_path), max_tokens=16).tokenize(["a"])
    plain = ModelTokenizer(path=str(minilm), max_tokens=16).tokenize(["passage: a"])
    assert prompted[0].tolist() == plain[0].tolist()


def test_torch_is_not_loaded(minilm: Path) -> None:
    code = (
        "import sys; from smartypants.embedders.sentence_transformers import PLUGIN;"
        f"print(len(PLUGIN.tokenizer({str(minilm)!r}).tokenize(['a text'])[0]), "
        "sorted({'torch', 'transformers', 'onnxruntime'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.split("\n")[0] == "4 []"


def test_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"tokenizer\.json"):
        ModelTokenizer(path=str(tmp_path), max_tokens=16)


@pytest.mark.parametrize("text", [*EmbedderContract.TEXTS, *HOSTILE_STRINGS, "word " * 600])
@pytest.mark.parametrize("exact", [True, False])
def test_cut_at(minilm: Path, text: str, exact: bool) -> None:
    tokenizer = load_tokenizer(str(minilm / "tokenizer.json") if exact else None)
    cut = cut_at(tokenizer, text, 16)
    assert text.startswith(cut)
    sent = cut.encode("utf-8", "replace").decode()
    assert len(tokenizer.encode(sent, add_special_tokens=False)) <= 16
    assert cut_at(tokenizer, cut, 16) == cut
    if len(text) <= 16:
        assert cut == text


def test_estimate_is_from_above_for_prose(minilm: Path) -> None:
    exact, estimate = load_tokenizer(str(minilm / "tokenizer.json")), load_tokenizer(None)
    for text in ("The committee met on Tuesday to discuss the budget. " * 9, "短い文です。" * 9):
        counted = len(exact.encode(text, add_special_tokens=False))
        assert counted <= len(estimate.encode(text)) <= 2 * counted
