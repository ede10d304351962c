"""Errors as RFC 9457 problem details: every response that is not a success has this shape.

ValidationFailed
└── InvalidFields         422  with the fields at fault
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import structlog
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from smartypants.errors import (
    CredentialsInvalid,
    LedgerUnavailable,
    NotAuthenticated,
    NotFound,
    SmartyPantsError,
    ValidationFailed,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
OPENAI_PATHS: Final = ("/v1/chat/completions", "/v1/embeddings", "/v1/models")

_MAX_FIELD_ERRORS: Final = 50
_MAX_PATH_CHARS: Final = 200

log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One field that is wrong, and why."""

    path: str = Field(
        description="A JSON pointer into the body, or the parameter or header.",
        examples=["/filters/document_ids/0"],
    )
    message: str


class OpenAIError(BaseModel):
    """The same error as OpenAI's clients expect it."""

    message: str
    type: str
    code: str
    param: str | None


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; branch on it, not on the texts."""

    type: str = Field(examples=["urn:smartypants:error:collection_not_found"])
    title: str
    status: int
    detail: str
    code: str
    hint: str = Field(description="What to do about it; may be empty.")
    request_id: str
    errors: list[FieldError] | None = Field(None, description="The fields at fault.")
    error: OpenAIError | None = Field(None, description="Only on the OpenAI-compatible routes.")


class InvalidFields(ValidationFailed):
    """A request whose fields are wrong, one by one."""

    def __init__(self, message: str, hint: str = "", errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message, hint)
        self.args = (message, hint, errors)
        self.errors = errors

    @classmethod
    def from_pydantic(cls, exc: ValidationError, data: object, *, root: str = "/") -> InvalidFields:
        """`root` goes before each path: `/` for a body, `?` for parameters."""
        found = exc.errors(include_url=False, include_context=False, include_input=False)
        fields = tuple(
            FieldError(
                path=root + _pointer(item["loc"], data),
                message=_printable(item["msg"].removeprefix("Value error, ")),
            )
            for item in found[:_MAX_FIELD_ERRORS]
        )
        return cls(f"{fields[0].path}: {fields[0].message}", "", fields)


def _pointer(loc: tuple[int | str, ...], data: object) -> str:
    """RFC 6901, without the names of union members that pydantic puts among the keys."""
    parts: list[str] = []
    for item in loc:
        if isinstance(item, str) and isinstance(data, Mapping):
            parts.append(item.replace("~", "~0").replace("/", "~1"))
            data = data.get(item)
        elif isinstance(item, int) and isinstance(data, list):
            parts.append(str(item))
            data = data[item] if item < len(data) else None
    return _printable("/".join(parts))[:_MAX_PATH_CHARS]


def _printable(text: str) -> str:
    """A key of the request may hold a lone surrogate, which no JSON response may."""
    return text.encode("utf-8", "replace").decode()


def describe(exc: Exception, *, request_id: str, path: str) -> Problem:
    """The problem that an error is for the caller. What we did not foresee stays in the log."""
    if isinstance(exc, HTTPException):
        return _describe_http(exc, request_id=request_id, path=path)
    if isinstance(exc, LedgerUnavailable):
        log.error("ledger unavailable", error=exc.message, path=path)
        exc = LedgerUnavailable(f"{LedgerUnavailable.title}.", "Try again in a moment.")
    if isinstance(exc, SmartyPantsError):
        if exc.status >= 500:
            log.warning("request failed", code=exc.code, error=str(exc), path=path)
        return _problem(
            code=exc.code,
            title=exc.title,
            status=exc.status,
            detail=_printable(exc.message),
            hint=_printable(exc.hint),
            request_id=request_id,
            path=path,
            errors=list(exc.errors) if isinstance(exc, InvalidFields) else None,
        )
    log.error("unexpected error", path=path, exc_info=exc)
    return _problem(
        code=SmartyPantsError.code,
        title=SmartyPantsError.title,
        status=500,
        detail="Something went wrong on our side.",
        hint="The server's log has the cause under this request id.",
        request_id=request_id,
        path=path,
    )


_HTTP_CODES: Final = {
    400: ("invalid_request", "The request is not valid"),
    404: (NotFound.code, NotFound.title),
    405: ("method_not_allowed", "The method is not allowed here"),
}


def example(error: type[SmartyPantsError]) -> Problem:
    """What such an error may look like."""
    return _problem(
        code=error.code,
        title=error.title,
        status=error.status,
        detail=f"{error.title}: what, and which.",
        hint="What to do about it.",
        request_id="0f343b0931126a2063c8b8d0a9ab8a5e",
        path="",
        errors=None,
    )


def _describe_http(exc: HTTPException, *, request_id: str, path: str) -> Problem:
    code, title = _HTTP_CODES.get(exc.status_code, ("http_error", exc.detail))
    return _problem(
        code=code,
        title=title,
        status=exc.status_code,
        detail=exc.detail,
        hint="GET /docs shows all routes." if exc.status_code in (404, 405) else "",
        request_id=request_id,
        path=path,
    )


def _problem(
    *,
    code: str,
    title: str,
    status: int,
    detail: str,
    hint: str,
    request_id: str,
    path: str,
    errors: list[FieldError] | None = None,
) -> Problem:
    openai = None
    if path.startswith(OPENAI_PATHS):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        openai = OpenAIError(
            message=f"{detail} {hint}".strip(),
            type="rate_limit_error" if status == 429 else kind,
            code=code,
            param=errors[0].path.strip("/?") if errors else None,
        )
    return Problem(
        type=f"urn:smartypants:error:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=request_id,
        errors=errors,
        error=openai,
    )


def respond(exc: Exception, *, request_id: str, path: str) -> Response:
    problem = describe(exc, request_id=request_id, path=path)
    headers: dict[str, str] = {}
    if isinstance(exc, HTTPException) and exc.headers:
        headers |= exc.headers
    if problem.status == NotAuthenticated.status:
        wrong = ', error="invalid_token"' if isinstance(exc, CredentialsInvalid) else ""
        headers["WWW-Authenticate"] = f'Bearer realm="smartypants"{wrong}'
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    if getattr(exc, "retryable", False):
        known = getattr(exc, "retry_after_s", None)
        headers["Retry-After"] = str(RETRY_AFTER_S if known is None else max(math.ceil(known), 1))
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, problem.status, headers, media_type=MEDIA_TYPE)
