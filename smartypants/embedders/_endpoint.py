"""One endpoint that speaks OpenAI's embeddings protocol; a request at a time, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smartypants.errors import EmbedderUnavailable, EmbeddingDimensionMismatch, SmartyPantsError
from smartypants.options.providers import EmbeddingProvider
from smartypants.protocols import Vectors
from smartypants.providers.endpoint import Endpoint

if TYPE_CHECKING:
    from openai import OpenAI


@dataclass(frozen=True, slots=True)
class Embedded:
    """Unit vectors, and the tokens that they took, where the endpoint says so."""

    vectors: Vectors
    tokens: int | None


class EmbeddingEndpoint:
    """Texts → unit vectors of the dimension that is expected, or an error."""

    def __init__(self, model: str, dimension: int, options: EmbeddingProvider) -> None:
        self._model = options.model or model
        self._dimension = dimension
        self._options = options
        self._endpoint = Endpoint(
            str(options.api_base),
            credential=options.credential,
            headers=options.headers,
            unavailable=EmbedderUnavailable,
        )
        self._client: OpenAI | None = None

    def request(self, texts: Sequence[str]) -> Embedded:
        """Raises `EmbedderUnavailable`, `Overloaded`, `InvalidRequest`, `SetupError`, and
        `EmbeddingDimensionMismatch`."""
        import openai

        others = {name: value for name, value in self._options.request.items() if value is not None}
        try:
            found = self._connected().embeddings.create(
                model=self._model, input=list(texts), extra_body=others or None
            )
            vectors = self._vectors(found, len(texts))
            usage = getattr(found, "usage", None)
            return Embedded(vectors, getattr(usage, "prompt_tokens", None))
        except SmartyPantsError:
            raise
        except Exception as exc:
            error = self._endpoint.mapped(exc, openai, model=self._model)
            if self._endpoint.quoted(exc):
                raise error from None
            raise error from exc

    def _vectors(self, found: Any, wanted: int) -> Vectors:
        rows = sorted(found.data, key=lambda item: item.index)
        if [item.index for item in rows] != list(range(wanted)):
            raise self._nonsense(f"{len(rows)} vectors for {wanted} texts")
        lengths = {len(item.embedding) for item in rows}
        if lengths != {self._dimension}:
            raise EmbeddingDimensionMismatch(
                f"{self._endpoint.base} gave vectors of {max(lengths)} dimensions for "
                f"{self._model}, not of {self._dimension}.",
                "Set embedder.dimension to what the model has; a collection keeps its own.",
            )
        vectors = np.array([item.embedding for item in rows], dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise self._nonsense("a vector without a direction")
        return np.asarray(vectors / norms)

    def _nonsense(self, what: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(f"{self._endpoint.base} answered with {what}.")

    def _connected(self) -> OpenAI:
        if self._client is None:
            import httpx
            from openai import OpenAI

            chosen = self._options
            self._client = OpenAI(
                api_key="none",  # the endpoint adds the real one as the request leaves
                base_url=self._endpoint.base,
                default_query=chosen.query,
                timeout=httpx.Timeout(chosen.timeout_s, connect=chosen.connect_timeout_s),
                max_retries=0,
                http_client=self._endpoint.client(httpx, "Client"),
            )
        return self._client
