"""The parts behind the ingress: deployments, or objects that are called like them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ray.serve.handle import DeploymentHandle


@dataclass(frozen=True, slots=True)
class Method:
    """A coroutine function that is called as a deployment's method is."""

    remote: Callable[..., Any]


class Inside:
    """A part that lives in the process of who asks it: as its handle, without the hop.

    >>> handle = Inside(QueryProcessor(settings, llm))
    >>> plan = await handle.process.remote(query)
    """

    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Method:
        return Method(getattr(self._part, name))


Handle: TypeAlias = DeploymentHandle[Any]
Part: TypeAlias = Handle | Inside


@dataclass(frozen=True, slots=True)
class Handles:
    """`reranker` is None where none is configured."""

    query_processor: Part
    retriever: Handle
    embedder: Handle
    llm: Handle
    job_runner: Handle
    reranker: Handle | None
