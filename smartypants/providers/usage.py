"""What calls of models took: logged one by one, counted for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import structlog
from prometheus_client import Counter
from prometheus_client.registry import Collector

from smartypants.types import Usage

NoteUsage = Callable[[Usage], None]
"""The hook for whoever accounts for calls: it is given each one once, and must not wait."""

log = structlog.get_logger(__name__)


def log_usage(usage: Usage) -> None:
    log.info("model_called", **asdict(usage))


class UsageCounters:
    """Counters that belong to no registry yet; whoever serves metrics registers them."""

    def __init__(self) -> None:
        labels = ("provider", "model")
        self.calls = Counter(
            "smartypants_llm_calls", "Calls of language models.", labels, registry=None
        )
        self.attempts = Counter(
            "smartypants_llm_attempts",
            "Requests sent for these calls, by the provider that answered in the end.",
            labels,
            registry=None,
        )
        self.tokens = Counter(
            "smartypants_llm_tokens",
            "Tokens of prompts and completions.",
            (*labels, "kind"),
            registry=None,
        )
        self.cost = Counter(
            "smartypants_llm_cost", "Cost, where prices are set.", labels, registry=None
        )

    @property
    def collectors(self) -> Sequence[Collector]:
        return (self.calls, self.attempts, self.tokens, self.cost)

    def note(self, usage: Usage) -> None:
        labels = (usage.provider, usage.model)
        self.calls.labels(*labels).inc()
        self.attempts.labels(*labels).inc(usage.attempts)
        self.tokens.labels(*labels, "prompt").inc(usage.prompt_tokens)
        self.tokens.labels(*labels, "completion").inc(usage.completion_tokens)
        if usage.cost is not None:
            self.cost.labels(*labels).inc(usage.cost)
