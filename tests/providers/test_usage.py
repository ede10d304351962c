"""What is counted and logged of a call."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from smartypants.providers.usage import UsageCounters, log_usage
from smartypants.types import Usage


def test_counters() -> None:
    counters, registry = UsageCounters(), CollectorRegistry()
    for collector in counters.collectors:
        registry.register(collector)
    counters.note(Usage("azure", "gpt-5", 100, 20, cost=0.5, attempts=3))
    counters.note(Usage("azure", "gpt-5", 1, 2))
    text = generate_latest(registry).decode()
    for line in (
        'smartypants_llm_calls_total{model="gpt-5",provider="azure"} 2.0',
        'smartypants_llm_attempts_total{model="gpt-5",provider="azure"} 4.0',
        'smartypants_llm_tokens_total{kind="prompt",model="gpt-5",provider="azure"} 101.0',
        'smartypants_llm_tokens_total{kind="completion",model="gpt-5",provider="azure"} 22.0',
        'smartypants_llm_cost_total{model="gpt-5",provider="azure"} 0.5',
    ):
        assert line in text


def test_log() -> None:
    with capture_logs() as logs:
        log_usage(Usage("azure", "gpt-5", 100, 20, estimated=True, request_id="r"))
    [entry] = logs
    assert entry["event"] == "model_called"
    assert (entry["provider"], entry["prompt_tokens"], entry["estimated"]) == ("azure", 100, True)
    assert entry["request_id"] == "r"
