"""A model's tokenizer by itself: texts become token ids, without loading the model or torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smartypants.errors import ModelNotFound
from smartypants.protocols import TokenIds


class ModelTokenizer:
    """What sentence-transformers feeds to the model of a folder, for each text.

    It is cheap to build, and its ids are small and travel well, so the texts can be tokenised on
    other machines than the one with the model.

    >>> tokenizer = ModelTokenizer(path="/models/all-MiniLM-L6-v2", max_tokens=256)
    >>> [ids] = tokenizer.tokenize(["a text"])
    >>> ids.tolist()
    [101, 1037, 3793, 102]
    """

    def __init__(self, *, path: str, max_tokens: int) -> None:
        from tokenizers import Tokenizer, normalizers

        folder = Path(path)
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise ModelNotFound(
                f"The embedding model has no {file}.", "Choose one with a fast tokenizer."
            )
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        if _read(folder / "sentence_bert_config.json").get("do_lower_case"):
            steps = [normalizers.Lowercase()]
            if self._tokenizer.normalizer is not None:
                steps.append(self._tokenizer.normalizer)
            self._tokenizer.normalizer = normalizers.Sequence(steps)
        self._prompt = _default_prompt(folder)

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        """One array a text, in the order given; all cores work on it."""
        prompted = [self._prompt + text for text in texts] if self._prompt else list(texts)
        encodings = self._tokenizer.encode_batch_fast(prompted)
        return [np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings]


class TextTokenizer:
    """Counts a text's tokens by a `tokenizer.json`, special tokens left out."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))


def _default_prompt(folder: Path) -> str:
    config = _read(folder / "config_sentence_transformers.json")
    prompts, name = config.get("prompts"), config.get("default_prompt_name")
    found = prompts.get(name) if isinstance(prompts, dict) and name else None
    return found if isinstance(found, str) else ""


def _read(file: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(file.read_text()) if file.is_file() else {}
    return found
