"""The settings of providers of models: endpoints, routes, retries; for `llm` and `embedder`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)

from smartypants.credentials import Reference, is_reference
from smartypants.options.section import Section

_SECRET_NAME = re.compile(r"auth|key|token|secret|password|cookie|\bsig", re.IGNORECASE)


def _is_base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError("write it like https://host:port/v1, without credentials")
    if parts.query or parts.fragment:
        raise ValueError("put what follows the ? into `query`")
    return value


def _holds_no_secret(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if _SECRET_NAME.search(name) and not is_reference(value):
            raise ValueError(f"{name} must be a reference: env:NAME or file:/absolute/path")
    return values


def _no_secret_at_all(values: dict[str, str]) -> dict[str, str]:
    for name in values:
        if _SECRET_NAME.search(name):
            raise ValueError(f"{name} must not be in a URL, which is logged: use a header")
    return values


def _named(value: object) -> object:
    """A list of names stands for models that the provider calls the same."""
    if isinstance(value, (list, tuple)):
        return {name: name for name in value}
    return value


BaseUrl = Annotated[str, AfterValidator(_is_base_url)]
Headers = Annotated[dict[str, str], AfterValidator(_holds_no_secret)]
Query = Annotated[dict[str, str], AfterValidator(_no_secret_at_all)]
Models = Annotated[dict[str, str], BeforeValidator(_named), Field(min_length=1)]


class RetrySettings(Section):
    rounds: PositiveInt = Field(
        3, description="Times that all providers of a model are tried, in order."
    )
    ratio: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.1, description="Retries, as a share of the requests to a provider lately, at most."
    )
    reserve: PositiveInt = Field(
        10, description="Retries that each provider has for a start, and saves up at most."
    )
    first_pause_s: PositiveFloat = Field(
        0.25, description="Longest pause before the second round; it doubles for each further one."
    )
    longest_pause_s: PositiveFloat = Field(8.0, description="The longest such pause.")
    patience_s: PositiveFloat = Field(
        30.0, description="No round begins later than so long after the first."
    )


class BreakerSettings(Section):
    failures: PositiveInt = Field(
        5, description="After so many failures in a row a provider is not asked for a while."
    )
    open_s: PositiveFloat = Field(
        30.0, description="That while; then one request may try, and decides."
    )


class EndpointOptions(Section):
    api_base: BaseUrl | None = Field(
        None, description="Base URL; needed, but for the kind `vllm`. No vendor is the default."
    )
    credential: Reference | None = Field(
        None, description="Where the key is: `env:NAME` or `file:/PATH`, read for each request."
    )
    headers: Headers = Field(
        default_factory=dict,
        description="Further headers; one that holds a secret is a reference too.",
    )
    query: Query = Field(
        default_factory=dict, description="Query parameters, such as Azure's `api-version`."
    )
    request: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Fields of the request's body that are set otherwise; null leaves one out.",
    )
    connect_timeout_s: PositiveFloat = Field(5.0, description="For a connection.")
    timeout_s: PositiveFloat = Field(120.0, description="For a call as a whole.")


class LLMProvider(EndpointOptions):
    """An entry of `llm.providers`."""

    kind: str = Field("openai", description="`openai`, `anthropic`, `vllm`, or a plugin's name.")
    models: Models = Field(description="`[NAME, …]`, or `NAME: what the provider calls it`.")
    first_token_timeout_s: PositiveFloat = Field(60.0, description="Until the first token.")
    token_timeout_s: PositiveFloat = Field(30.0, description="Between two tokens.")
    context_window: PositiveInt = Field(8192, description="Tokens of prompt and answer together.")
    prompt_price: NonNegativeFloat | None = Field(
        None, description="Of a million tokens, in whatever currency."
    )
    completion_price: NonNegativeFloat | None = Field(None, description="The same.")


class EmbeddingProvider(EndpointOptions):
    """An entry of `embedder.providers`."""

    model: str | None = Field(
        None, description="What the provider calls `embedder.model`. Default: the same."
    )
    batch_texts: PositiveInt = Field(128, description="Texts in a request, at most.")
    batch_bytes: PositiveInt = Field(
        256 * 2**10, description="Bytes of texts in a request, at most; one longer goes alone."
    )
    price: NonNegativeFloat | None = Field(
        None, description="Of a million tokens, in whatever currency."
    )


def routed(
    providers: Mapping[str, LLMProvider], routes: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """Each model with its providers in the order of fallback.

    A route's name beats its pattern, an earlier pattern a later one; a model without a route has
    all providers that list it, in their order. Raises `ValueError` for what can't be meant.
    """
    for key, names in routes.items():
        for name in names:
            if name not in providers:
                raise ValueError(f"routes.{key} names {name}, which is not in providers")
    served = dict.fromkeys(model for found in providers.values() for model in found.models)
    for key in routes:
        if not any(fnmatchcase(model, key) for model in served):
            raise ValueError(f"routes.{key} is a route of no model that a provider lists")
    found = {}
    for model in served:
        pattern = model if model in routes else None
        pattern = pattern or next((key for key in routes if fnmatchcase(model, key)), None)
        order = list(providers) if pattern is None else list(routes[pattern])
        found[model] = tuple(name for name in order if model in providers[name].models)
        if not found[model]:
            raise ValueError(f"no provider in routes.{pattern} lists the model {model}")
    return found
