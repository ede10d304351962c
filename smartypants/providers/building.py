"""Builds what `llm` and `embedder` describe: each provider once, with its health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smartypants import models, registry
from smartypants.accelerator import has_gpu
from smartypants.errors import SetupError
from smartypants.options.ingestion import EmbedderSettings
from smartypants.options.providers import LLMProvider
from smartypants.protocols import LLM, Embedder
from smartypants.providers.attempts import Health, Provider
from smartypants.providers.routed_llm import RoutedLLM
from smartypants.providers.timeouts import Timeouts
from smartypants.providers.usage import NoteUsage
from smartypants.settings import Settings


def routed_llm(settings: Settings, *, note: NoteUsage) -> RoutedLLM:
    """Connects to nobody yet, and starts no engine."""
    chosen = settings.llm
    if not chosen.providers and chosen.kind != "vllm" and chosen.api_base is None:
        raise SetupError(f"llm.kind is {chosen.kind}, but llm.api_base is not set.", "Set it.")
    providers = chosen.all_providers
    health = {name: Health.of(chosen.retries, chosen.breaker) for name in providers}

    def provider(name: str, model: str) -> Provider[LLM]:
        found = providers[name]
        theirs = found.models[model]
        made = _engine(settings, model, theirs) if found.kind == "vllm" else _remote(found, theirs)
        return Provider(name, made, health[name], found.prompt_price, found.completion_price)

    routes = {
        model: [provider(name, model) for name in names] for model, names in chosen.models.items()
    }
    return RoutedLLM(routes, default=chosen.name, retries=chosen.retries, note=note)


def remote_embedder(
    settings: EmbedderSettings, *, tokenizer: Path | None, note: NoteUsage
) -> Embedder:
    """Connects to nobody yet."""
    embedder: Embedder = registry.load("embedders", settings.kind)(
        settings.model,
        dimension=settings.dimension,
        providers=settings.providers,
        max_tokens=settings.max_tokens,
        tokenizer=None if tokenizer is None else str(tokenizer),
        retries=settings.retries,
        breaker=settings.breaker,
        note=note,
    )
    return embedder


def _engine(settings: Settings, name: str, model: str) -> LLM:
    chosen = settings.llm
    engine: LLM = registry.load("llms", "vllm")(
        path=str(models.resolve(model, cache=settings.model_cache)),
        model=name,
        max_model_len=chosen.max_model_len,
        max_num_seqs=chosen.max_num_seqs,
        max_stream_interval=chosen.max_stream_interval,
        gpu=has_gpu(settings),
        threads=chosen.threads,
        gpu_memory_utilization=chosen.gpu_memory_utilization,
        tensor_parallel_size=chosen.tensor_parallel_size,
        engine=chosen.engine,
    )
    return engine


def _remote(chosen: LLMProvider, model: str) -> LLM:
    keywords: dict[str, Any] = {
        "api_base": chosen.api_base,
        "credential": chosen.credential,
        "headers": chosen.headers,
        "query": chosen.query,
        "request": chosen.request,
        "context_window": chosen.context_window,
        "timeouts": Timeouts(
            connect_s=chosen.connect_timeout_s,
            first_token_s=chosen.first_token_timeout_s,
            between_tokens_s=chosen.token_timeout_s,
            total_s=chosen.timeout_s,
        ),
    }
    llm: LLM = registry.load("llms", chosen.kind)(model, **keywords)
    return llm
