"""Embeds texts of several payers together, and tells whose account each one is on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from smartypants.metering.meter import Meter
from smartypants.metering.payer import Payer
from smartypants.protocols import Embedder, Vectors
from smartypants.providers.estimates import text_tokens
from smartypants.providers.usage import NoteUsage, log_usage
from smartypants.types import Usage

_noted: ContextVar[list[Usage] | None] = ContextVar("noted", default=None)


class MeteredEmbedder:
    """An embedder whose calls are shared out among those who asked.

    `make` builds it with the hook that providers tell their usage; of an embedder on this
    machine, which tells nothing, tokens are estimated.

    >>> embedder = MeteredEmbedder(lambda note: wiring.make_embedder(settings, note=note),
    ...                            meter, provider="local")
    >>> vectors = embedder.embed(["a text"], [payer])
    """

    def __init__(
        self, make: Callable[[NoteUsage], Embedder], meter: Meter, *, provider: str
    ) -> None:
        self.plugin = make(_note)
        self._meter = meter
        self._provider = provider

    def embed(self, texts: Sequence[str], payers: Sequence[Payer]) -> Vectors:
        """One row a text; `payers` has one for each."""
        tokens = [text_tokens(text) for text in texts]
        with _collecting() as usages:
            try:
                vectors = self.plugin.embed(texts)
            except BaseException:
                if usages:  # of the requests before the one that failed
                    self.account(payers, tokens, usages)
                raise
        self.account(payers, tokens, usages)
        return vectors

    def account(
        self, payers: Sequence[Payer], tokens: Sequence[int], usages: Sequence[Usage] = ()
    ) -> None:
        """Share out what providers told, or else the tokens that were counted here."""
        if not payers:
            return
        counted = Usage(self._provider, self.plugin.model, sum(tokens), estimated=True)
        counts = Counter(payers)
        for usage in usages or [counted]:
            for payer, part in _shares(usage, payers, tokens):
                self._meter.embedded(payer, part, counts.pop(payer, 0))


def _note(usage: Usage) -> None:
    log_usage(usage)
    noted = _noted.get()
    if noted is not None:
        noted.append(usage)


@contextmanager
def _collecting() -> Iterator[list[Usage]]:
    found: list[Usage] = []
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def _shares(
    usage: Usage, payers: Sequence[Payer], tokens: Sequence[int]
) -> Iterator[tuple[Payer, Usage]]:
    """The usage by payer, in proportion to the tokens of their texts; together it is the same."""
    weights: Counter[Payer] = Counter()
    for payer, weight in zip(payers, tokens, strict=True):
        weights[payer] += max(weight, 1)
    left, of = usage.prompt_tokens, weights.total()
    for payer, weight in weights.items():
        mine = round(left * weight / of)
        paid = usage.cost
        if paid is not None and usage.prompt_tokens:
            paid = paid * mine / usage.prompt_tokens
        yield payer, replace(usage, prompt_tokens=mine, cost=paid)
        left, of = left - mine, of - weight
