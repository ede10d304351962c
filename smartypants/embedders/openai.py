"""Embeddings by any endpoint that speaks OpenAI's protocol, with others to fall back on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from smartypants.embedders._endpoint import Embedded, EmbeddingEndpoint
from smartypants.errors import EmbedderUnavailable, SmartyPantsError
from smartypants.options.providers import BreakerSettings, EmbeddingProvider, RetrySettings
from smartypants.protocols import Vectors
from smartypants.providers.attempts import Attempts, Health, Provider
from smartypants.providers.estimates import text_tokens
from smartypants.providers.usage import NoteUsage, log_usage
from smartypants.tokenizing import cut_at, load_tokenizer
from smartypants.types import Usage

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class OpenAIEmbedder:
    """Unit vectors of one model, from the first of its providers that answers.

    Texts are cut at `max_tokens`, by the tokenizer in the file `tokenizer` or else by an
    estimate, and sent in requests of limited size. Retries, budgets and circuit breakers are
    those of `RoutedLLM`, known to this process alone.

    >>> local = EmbeddingProvider(api_base="http://127.0.0.1:11434/v1")
    >>> embedder = OpenAIEmbedder("nomic-embed-text", dimension=768, providers={"local": local})
    >>> embedder.embed(["a text"]).shape
    (1, 768)
    """

    def __init__(
        self,
        model: str,
        *,
        dimension: int,
        providers: Mapping[str, EmbeddingProvider],
        max_tokens: int = 512,
        tokenizer: str | None = None,
        retries: RetrySettings | None = None,
        breaker: BreakerSettings | None = None,
        note: NoteUsage = log_usage,
    ) -> None:
        self.model = model
        self.dimension = dimension
        self.max_tokens = max_tokens
        self._tokenizer_file = tokenizer
        self._retries = retries or RetrySettings()
        self._note = note
        self._batch_texts = min(chosen.batch_texts for chosen in providers.values())
        self._batch_bytes = min(chosen.batch_bytes for chosen in providers.values())
        self._providers = [
            Provider(
                name,
                EmbeddingEndpoint(model, dimension, chosen),
                Health.of(self._retries, breaker or BreakerSettings()),
                prompt_price=chosen.price,
            )
            for name, chosen in providers.items()
        ]

    def embed(self, texts: Sequence[str]) -> Vectors:
        found = [np.empty((0, self.dimension), dtype=np.float32)]
        found += [self._embed(batch) for batch in self._batches(texts)]
        return np.concatenate(found)

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        size = 0
        for text in texts:
            sent = _sendable(cut_at(self._tokenizer, text, self.max_tokens))
            length = len(sent.encode())
            if batch and (len(batch) == self._batch_texts or size + length > self._batch_bytes):
                yield batch
                batch, size = [], 0
            batch.append(sent)
            size += length
        if batch:
            yield batch

    def _embed(self, texts: list[str]) -> Vectors:
        attempts = Attempts(
            self._providers,
            model=self.model,
            retries=self._retries,
            unavailable=EmbedderUnavailable,
            patience_s=self._retries.patience_s,
        )
        while True:
            provider = attempts.next()
            if provider is None:
                time.sleep(attempts.pause_s())
                continue
            try:
                found = provider.plugin.request(texts)
            except SmartyPantsError as exc:
                attempts.failed(provider, exc)
                continue
            except BaseException:
                attempts.left(provider)
                raise
            attempts.succeeded(provider)
            self._note(self._usage(provider, found, texts, attempts.sent))
            return found.vectors

    def _usage(
        self,
        provider: Provider[EmbeddingEndpoint],
        found: Embedded,
        texts: Sequence[str],
        attempts: int,
    ) -> Usage:
        tokens = sum(map(text_tokens, texts)) if found.tokens is None else found.tokens
        return Usage(
            provider.name,
            self.model,
            tokens,
            estimated=found.tokens is None,
            cost=provider.cost(tokens),
            attempts=attempts,
        )

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return load_tokenizer(self._tokenizer_file)


def _sendable(text: str) -> str:
    """Endpoints refuse empty texts, and JSON has no halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode() or " "


PLUGIN = OpenAIEmbedder
