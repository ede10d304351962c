"""A model's tokenizer by itself: texts become token ids, without loading the model or torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from smartypants.errors import ModelNotFound
from smartypants.protocols import TokenIds

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Three printable characters of ASCII, or one other character, are a token.
_ESTIMATE: Final = r" ?[!-~]{1,3}|[\s\S]"


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


def load_tokenizer(file: str | None) -> Tokenizer:
    """That of a `tokenizer.json`, without limits; None: one that estimates, from above for prose,
    for models whose own is not at hand. It cuts texts at the same places whoever uses it."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    if file is None:
        tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # noqa: S106 - a token of a text
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_ESTIMATE), "isolated")
        return tokenizer
    tokenizer = Tokenizer.from_file(file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def cut_at(tokenizer: Tokenizer, text: str, max_tokens: int) -> str:
    """The text up to its `max_tokens`-th token."""
    if len(text.encode("utf-8", "surrogatepass")) <= max_tokens:
        return text  # no token is smaller than a byte
    encoding = tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
    if len(encoding) <= max_tokens:
        return text
    return text[: encoding.offsets[max_tokens - 1][1]]


def _default_prompt(folder: Path) -> str:
    config = _read(folder / "config_sentence_transformers.json")
    prompts, name = config.get("prompts"), config.get("default_prompt_name")
    found = prompts.get(name) if isinstance(prompts, dict) and name else None
    return found if isinstance(found, str) else ""


def _read(file: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(file.read_text()) if file.is_file() else {}
    return found
