"""The OpenAPI document: the route table in other words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from openapi_pydantic import (
    Components,
    Example,
    Header,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    ParameterLocation,
    PathItem,
    Reference,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from smartypants.api import conditional, context, idempotency, problems
from smartypants.api.answers import Citation, Token
from smartypants.api.chat_messages import MODELS as CHAT_MODELS
from smartypants.api.completions import ChatCompletionChunk
from smartypants.api.examples import example
from smartypants.api.limiting import LIMITED
from smartypants.api.problems import Problem
from smartypants.api.routing import AnyRoute
from smartypants.auth.roles import Permission
from smartypants.errors import (
    Conflict,
    CredentialsInvalid,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAuthenticated,
    PayloadTooLarge,
    PreconditionFailed,
    QuotaSpent,
    RateLimited,
    RequestInProgress,
    SmartyPantsError,
    UnsupportedMediaType,
    ValidationFailed,
)

SCHEMES: Final = {
    "bearer": SecurityScheme(
        type="http", scheme="bearer", description="An API key (`sp_…`), or a JWT of an issuer."
    ),
    "session": SecurityScheme.model_validate(
        {
            "type": "apiKey",
            "in": "cookie",
            "name": "smartypants_session",
            "description": "Of a browser that has logged in; over https with the prefix `__Host-`. "
            "Requests that change something carry the header `X-CSRF-Token` too.",
        }
    ),
}
SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"session": []}]

_EXAMPLES: Final = "#/components/examples"
_EVENT_MODELS: tuple[type[BaseModel], ...] = (
    Token,
    Citation,
    ChatCompletionChunk,
    *CHAT_MODELS,
)


def document(table: Iterable[AnyRoute]) -> bytes:
    """The OpenAPI document as JSON."""
    paths: dict[str, PathItem] = {}
    routes = list(table)
    read = {route.path for route in routes if route.reads}
    for route in routes:
        path = re.sub(r":\w+}", "}", route.path)
        item = paths.setdefault(path, PathItem())
        setattr(item, route.method.lower(), _operation(route, path, versioned=route.path in read))
    description = OpenAPI(
        openapi="3.1.1",
        info=Info(
            title="SmartyPants",
            version=version("smartypants"),
            description="Private, permission-aware search and cited answers over your documents. "
            "Every error is an RFC 9457 problem with a stable `code`. `WS /v1/chat` is a chat over "
            "a WebSocket; its messages are the schemas `Chat…`.",
        ),
        paths=paths,
        components=Components(
            securitySchemes=dict(SCHEMES), examples={**_problem_examples(routes)}
        ),
    )
    whole = construct_open_api_with_schema_class(description, schema_classes=list(_EVENT_MODELS))
    return whole.model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True).encode()


def _operation(route: AnyRoute, path: str, *, versioned: bool) -> Operation:
    """`versioned`: what is there has an ETag."""
    open_to_all = route.permission is Permission.NOTHING
    body = None
    if route.body.contents:
        content = {kind: _content(model) for kind, model in route.body.contents.items()}
        body = RequestBody(content=content, required=True)
    return Operation(
        operationId=_operation_id(route, path),
        tags=[route.tag],
        summary=route.summary,
        parameters=[*_parameters(route, path), *_conditions(route, versioned)] or None,
        requestBody=body,
        responses=_successes(route) | _problems(route, versioned),
        security=None if open_to_all else SECURITY,
        description=None if open_to_all else f"Needs the permission `{route.permission}`.",
    )


def _operation_id(route: AnyRoute, path: str) -> str:
    words = re.findall(r"[a-z]+", path.removeprefix("/v1"))
    return "_".join([route.method.lower(), *words])


def _content(model: type[BaseModel]) -> MediaType:
    return MediaType(schema=PydanticSchema(schema_class=model), example=example(model))


def _text(route: AnyRoute, description: str | None = None) -> MediaType:
    schema = Schema.model_validate({"type": "string", "description": description})
    return MediaType(schema=schema, example=route.sample and route.sample())


def _parameters(route: AnyRoute, path: str) -> list[Parameter]:
    schema = route.params.model_json_schema()
    parameters = [
        _parameter(
            name,
            ParameterLocation.PATH if f"{{{name}}}" in path else ParameterLocation.QUERY,
            field,
            required=name in schema.get("required", ()),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    if route.path in ("/v1/search", "/v1/answers"):
        parameters.append(
            _header(context.DEADLINE, "How long the caller waits, in milliseconds.", "integer")
        )
    if route.path.startswith("/v1/"):
        parameters.append(
            _header(context.REQUEST_ID, "An id to find this request by in the logs.", "string")
        )
    return parameters


def _conditions(route: AnyRoute, versioned: bool) -> list[Parameter]:
    """Headers that say under which conditions it is to be answered or done."""
    found = []
    if route.takes_key:
        text = (
            "A new one for each write, such as a UUID. Sent again with it, the write is done once "
            "and answered the same; a key of another request answers 422."
        )
        found.append(_header(idempotency.KEY, text, "string"))
    if route.reads and route.response is not None:
        text = "The `ETag` that is known: 304 if it is still that."
        found.append(_header(conditional.IF_NONE_MATCH, text, "string"))
    if not route.reads and versioned and route.method != "POST":
        text = "The `ETag` of GET at this path: 412 if it is not that any more."
        found.append(_header(conditional.IF_MATCH, text, "string"))
    return found


def _header(name: str, description: str, kind: str) -> Parameter:
    return _parameter(
        name, ParameterLocation.HEADER, {"type": kind, "description": description}, required=False
    )


def _parameter(
    name: str, place: ParameterLocation, schema: dict[str, Any], *, required: bool
) -> Parameter:
    schema = {key: value for key, value in schema.items() if key != "title"}
    description = schema.pop("description", None)
    return Parameter.model_validate(
        {
            "name": name,
            "in": place,
            "description": description,
            "required": required,
            "schema": schema,
        }
    )


def _successes(route: AnyRoute) -> dict[str, Response]:
    content: dict[str, MediaType] = {}
    if route.response is not None:
        content["application/json"] = _content(route.response)
    if route.streams:
        content["text/event-stream"] = _text(route, route.streams)
    if route.media_type:
        content[route.media_type] = _text(route)
    headers = {context.REQUEST_ID: _response_header("The request's id.")}
    if route.path.startswith(LIMITED):
        headers |= {
            "RateLimit-Policy": _response_header(
                'The caller\'s limits: `"NAME";q=UNITS;w=SECONDS`.'
            ),
            "RateLimit": _response_header('What is left of each: `"NAME";r=UNITS;t=SECONDS`.'),
        }
    if route.status in (201, 202):
        headers["Location"] = _response_header("Where to look for it.")
    known = {}
    if route.reads and route.response is not None:
        headers["ETag"] = _response_header("Of just this response.")
        known["304"] = Response(description="It is what `If-None-Match` names.", headers=headers)
    return known | {
        str(status): Response(description=route.summary, headers=headers, content=content or None)
        for status in (route.status, *route.other_statuses)
    }


def _response_header(description: str) -> Header:
    return Header(description=description, param_schema=Schema.model_validate({"type": "string"}))


def _errors(route: AnyRoute, *, versioned: bool) -> list[type[SmartyPantsError]]:
    errors: list[type[SmartyPantsError]] = [*route.errors, ValidationFailed, SmartyPantsError]
    if route.path.startswith(LIMITED):
        errors += [RateLimited, QuotaSpent]
    if route.permission is not Permission.NOTHING:
        errors += [NotAuthenticated, CredentialsInvalid, Forbidden, RateLimited]
    if route.body.contents:
        errors += [InvalidRequest, PayloadTooLarge, UnsupportedMediaType]
    if route.takes_key:
        errors += [IdempotencyKeyReused, RequestInProgress]
        errors += [Conflict] if route.secret else []
    if not route.reads and versioned and route.method != "POST":
        errors.append(PreconditionFailed)
    return errors


def _problems(route: AnyRoute, versioned: bool) -> dict[str, Response]:
    errors = _errors(route, versioned=versioned)
    by_status: dict[int, dict[str, str]] = {}
    for error in errors:
        by_status.setdefault(error.status, {})[error.code] = error.title
    found = {}
    for status, codes in sorted(by_status.items()):
        if status in route.other_statuses:
            continue
        texts = [f"`{code}`: {title}." for code, title in codes.items()]
        retryable = any(error.retryable for error in errors if error.status == status)
        found[str(status)] = Response(
            description=" ".join(texts),
            headers={"Retry-After": _response_header("Seconds to wait.")} if retryable else None,
            content={problems.MEDIA_TYPE: _problem_content(codes)},
        )
    return found


def _problem_content(codes: Iterable[str]) -> MediaType:
    """The examples are among the components: most problems are those of many routes."""
    examples = {code: Reference.model_validate({"$ref": f"{_EXAMPLES}/{code}"}) for code in codes}
    return MediaType(schema=PydanticSchema(schema_class=Problem), examples=examples)


def _problem_examples(routes: Iterable[AnyRoute]) -> dict[str, Example]:
    errors = {error for route in routes for error in _errors(route, versioned=True)}
    return {
        error.code: Example(value=problems.example(error).model_dump(exclude_none=True))
        for error in sorted(errors, key=lambda error: error.code)
    }
