"""The deployments behind the ingress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from ray.serve.handle import DeploymentHandle

Handle: TypeAlias = DeploymentHandle[Any]


@dataclass(frozen=True, slots=True)
class Handles:
    """`reranker` is None where none is configured."""

    query_processor: Handle
    retriever: Handle
    embedder: Handle
    llm: Handle
    job_runner: Handle
    reranker: Handle | None
