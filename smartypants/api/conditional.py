"""ETags: `If-None-Match` saves reading again what is known, `If-Match` changing what is not."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from smartypants.errors import PreconditionFailed

IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
_TAGS: Final = re.compile(r'(?:W/)?("[^"]*")')


def etag(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def respond(request: Request, model: BaseModel, *, status: int) -> Response:
    """The model with its ETag; 304 where the caller has just that.

    What one caller sees is nothing for another, and may change at any time.
    """
    body = model.model_dump_json().encode()
    tag = etag(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if _names(request.headers.get(IF_NONE_MATCH, ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, media_type="application/json")


def check(request: Request, current: BaseModel | None) -> None:
    """Raises `PreconditionFailed` unless `If-Match` names what is there now."""
    if current is None:
        raise PreconditionFailed("What is changed here has no ETag.", f"Leave {IF_MATCH} out.")
    if not _names(request.headers[IF_MATCH], etag(current.model_dump_json().encode())):
        raise PreconditionFailed("It has changed since.", "Read it again.")


def _names(header: str, tag: str) -> bool:
    return header.strip() == "*" or tag in _TAGS.findall(header)
