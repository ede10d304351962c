"""How the system runs: HTTP, deployments, Ray, logs."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)

from smartypants.options.section import Port, Section


def _is_origin(value: str) -> str:
    if not re.fullmatch(r"https?://[^/?#@*\s]+", value):
        raise ValueError("write it like https://host or http://host:port, without a path")
    return value.lower()


Origin = Annotated[str, AfterValidator(_is_origin)]
Separable = Literal["query_processor", "embedder"]
"""Parts of the query program that run inside of what asks them, or by themselves."""
Network = IPv4Network | IPv6Network
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]*$")]


class HttpSettings(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(
        8000,
        description="Port to listen on. HAProxy takes four more, the first free from 404 above "
        "it on.",
    )
    max_body_bytes: PositiveInt = Field(
        64 * 2**20, description="Largest request body; a larger one answers 413."
    )
    max_query_chars: PositiveInt = Field(
        8_000, description="Longest query or question; a longer one answers 422."
    )
    max_top_k: PositiveInt = Field(100, description="Largest `top_k`.")
    cors_origins: tuple[Origin, ...] = Field(
        (),
        description="Pages of these sites (`https://host`) may call the API, with a bearer token, "
        "and chat. Default: only our own pages.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (),
        description="Addresses or networks of proxies in front (`10.0.0.0/8`) whose "
        "`X-Forwarded-For` is believed where addresses are limited and recorded. See "
        "docs/limits.md.",
    )
    idempotency_s: PositiveFloat = Field(
        86_400.0, description="Seconds for which an `Idempotency-Key` is remembered."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        description="On every answer, in place of ours of the same name; an empty one leaves its "
        "header out. See docs/security.md.",
    )


class Scaling(Section):
    """Autoscaling and queue limits of one deployment."""

    min_replicas: Annotated[int, Field(ge=0)] = 1
    max_replicas: PositiveInt = 1
    target_ongoing_requests: PositiveFloat = 16.0
    max_ongoing_requests: PositiveInt = 64
    max_queued_requests: Annotated[int, Field(ge=-1)] = 256
    num_cpus: NonNegativeFloat = 0.1
    num_gpus: NonNegativeFloat | None = Field(
        None, description="Default: none on CPU; where there is a GPU, a share for each model."
    )


def _scaling(text: str, **values: Any) -> Any:
    return Field(default_factory=lambda: Scaling(**values), description=text)


class ServeSettings(Section):
    """One entry a deployment of the query program, and what an ingress replica lets in.

    What can't be done within its deadline is turned away at once: see `docs/load.md`.
    """

    apart: frozenset[Separable] | None = Field(
        None,
        description="Of `query_processor` and `embedder`, those with replicas of their own, which "
        "scale by themselves and cost a hop each. The others run inside of what asks them: the "
        "ingress, the retriever. Default: the embedder where there is a GPU.",
    )
    search_places: PositiveInt = Field(24, description="Searches that a replica has at work.")
    generation_places: PositiveInt = Field(
        16,
        description="Generations that a replica has at work: `llm.max_num_seqs` times the LLM's "
        "replicas over the ingress' replicas.",
    )
    most_waiting: PositiveInt = Field(
        1024, description="Requests of each kind that wait for a place, at most."
    )
    max_batch_requests: PositiveInt = Field(
        32,
        description="Requests whose texts are embedded by one forward pass, and whose searches "
        "are made by one call of the vector store, at most.",
    )
    search_budget_s: PositiveFloat = Field(
        10.0, description="What a search without a deadline may take, waiting included."
    )
    generation_budget_s: PositiveFloat = Field(
        120.0, description="What an answer without a deadline may take, waiting included."
    )

    ingress: Scaling = _scaling(
        "HTTP ingress.", max_ongoing_requests=512, max_queued_requests=1024, max_replicas=4
    )
    query_processor: Scaling = _scaling("Query processor, where it is `apart`.", max_replicas=4)
    retriever: Scaling = _scaling("Retriever.", max_replicas=4)
    embedder: Scaling = _scaling("Query embedder, where it is `apart`.", max_replicas=2)
    reranker: Scaling = _scaling("Reranker.", max_replicas=2)
    llm: Scaling = _scaling("LLM.", target_ongoing_requests=8, max_queued_requests=64)


class RaySettings(Section):
    address: str | None = Field(
        None, description="A cluster to join, or `auto`. Default: a local one, ended with us."
    )
    num_cpus: PositiveInt | None = Field(
        None, description="Logical CPUs of a local Ray. Default: four times the cores, 8 at least."
    )
    object_store_bytes: PositiveInt = Field(512 * 2**20, description="Object store of a local Ray.")
    dashboard: bool = Field(False, description="Start Ray's dashboard on a local Ray.")


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level.")
    format: Literal["json", "console"] = Field(
        "json", description="One JSON object a line, or text."
    )
