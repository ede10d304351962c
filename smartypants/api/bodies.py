"""Reads a request's body and parameters into what a route asked for, or says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Never, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from smartypants.api.fields import Params
from smartypants.api.problems import InvalidFields
from smartypants.errors import InvalidRequest, UnsupportedMediaType
from smartypants.settings import Settings

B = TypeVar("B")
M = TypeVar("M", bound=BaseModel)
P = TypeVar("P", bound=Params)

JSON = "application/json"
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Body(Generic[B]):
    """How a body is read, and how it is documented: a model for each content type."""

    read: Callable[[Request, Settings], Awaitable[B]]
    contents: Mapping[str, type[BaseModel]]


def json_body(model: type[M]) -> Body[M]:
    """A JSON body of this model."""

    async def read(request: Request, settings: Settings) -> M:
        return await read_json(request, model, settings)

    return Body(read, {JSON: model})


async def _read_nothing(request: Request, settings: Settings) -> None:
    return None


NO_BODY: Body[None] = Body(_read_nothing, {})


def content_type(request: Request) -> str:
    """Lower case, without parameters."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def unsupported(request: Request, *supported: str) -> UnsupportedMediaType:
    sent = content_type(request)
    return UnsupportedMediaType(
        f"The content type {sent!r} is not supported." if sent else "There is no content type.",
        f"Send {' or '.join(supported)}.",
    )


async def read_json(request: Request, model: type[M], settings: Settings) -> M:
    """Raises `UnsupportedMediaType`, `InvalidRequest` or `InvalidFields`."""
    if content_type(request) != JSON:
        raise unsupported(request, JSON)
    return validate(model, parse(await request.body()), settings)


def parse(data: bytes) -> object:
    """JSON as RFC 8259 has it. Raises `InvalidRequest`."""
    try:
        value: object = json.loads(data.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as exc:
        raise InvalidRequest("The body is not valid UTF-8.", "JSON is sent as UTF-8.") from exc
    except RecursionError as exc:
        raise _too_deep() from exc
    except ValueError as exc:
        raise InvalidRequest(f"The body is not valid JSON: {exc}.", "") from exc
    if _deeper_than(value, _MAX_DEPTH):
        raise _too_deep()
    return value


def _too_deep() -> InvalidRequest:
    return InvalidRequest("The JSON is nested too deeply.", f"The limit is {_MAX_DEPTH} levels.")


def _deeper_than(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += [x for x in item.values() if isinstance(x, dict | list)]
            elif isinstance(item, list):
                inner += [x for x in item if isinstance(x, dict | list)]
        if not inner:
            return False
        level = inner
    return True


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def validate(model: type[M], data: object, settings: Settings) -> M:
    """Raises `InvalidFields`."""
    try:
        return model.model_validate(data, context=settings)
    except ValidationError as exc:
        raise InvalidFields.from_pydantic(exc, data) from exc


def read_params(request: Request, model: type[P], settings: Settings) -> P:
    """Path and query parameters. Raises `InvalidFields`."""
    data = {**request.query_params, **request.path_params}
    try:
        return model.model_validate(data, context=settings)
    except ValidationError as exc:
        raise InvalidFields.from_pydantic(exc, data, root="?") from exc
