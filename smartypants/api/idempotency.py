"""The header `Idempotency-Key`: a write that is sent again is done once, and answered the same."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

import anyio.to_thread
import structlog
from python_multipart.multipart import parse_options_header
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response

from smartypants.api import context
from smartypants.api.problems import FieldError, InvalidFields
from smartypants.errors import Conflict, SmartyPantsError
from smartypants.ledger import idempotency
from smartypants.ledger.idempotency import Claim, KeptResponse

KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_KEPT_HEADERS: Final = ("content-type", "location")
_GOOD_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

log = structlog.get_logger(__name__)
_at_work: set[asyncio.Task[Response]] = set()


async def once(
    request: Request,
    engine: Engine,
    work: Callable[[], Awaitable[Response]],
    *,
    remember_s: float,
    secret: bool,
) -> Response:
    """The response of the work, or that of the first time. Only successes are remembered.

    The work goes on if the client leaves, so that whoever sends the request again learns what
    became of it. `secret`: the response is nothing to keep; a second one says so. Raises what
    `idempotency.claim` does.
    """
    key, caller = _key(request), context.caller(request)
    fingerprint = await _fingerprint(request)
    found = await anyio.to_thread.run_sync(
        lambda: idempotency.claim(engine, caller.id, key, fingerprint, remember_s=remember_s)
    )
    if isinstance(found, KeptResponse):
        return _again(found)
    task = asyncio.create_task(_answer(engine, found, work, secret))
    _at_work.add(task)
    task.add_done_callback(_at_work.discard)
    return await asyncio.shield(task)


def _key(request: Request) -> str:
    key = request.headers[KEY]
    if not _GOOD_KEY.fullmatch(key):
        message = "must be 1 to 255 printable ASCII characters, without spaces"
        raise InvalidFields(
            f"The header {KEY} {message}.", "", (FieldError(path=KEY, message=message),)
        )
    return key


async def _fingerprint(request: Request) -> str:
    """A hash of what was sent. The boundary of a form is another each time, and does not count."""
    body = await request.body()
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    boundary = options.get(b"boundary")
    if boundary:
        body = body.replace(boundary, b"")
    digest = hashlib.blake2b(digest_size=32)
    for part in (request.method, request.url.path, request.url.query, kind.decode("latin-1")):
        digest.update(f"{len(part)} {part} ".encode())
    digest.update(body)
    return digest.hexdigest()


async def _answer(
    engine: Engine, claim: Claim, work: Callable[[], Awaitable[Response]], secret: bool
) -> Response:
    kept = False
    try:
        response = await work()
        if response.status_code < 400:
            await anyio.to_thread.run_sync(_keep, engine, claim, response, secret)
            kept = True
        return response
    finally:
        if not kept:
            await anyio.to_thread.run_sync(_release, engine, claim)


def _keep(engine: Engine, claim: Claim, response: Response, secret: bool) -> None:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    body = None if secret else bytes(response.body).decode()
    try:
        idempotency.keep(engine, claim, KeptResponse(response.status_code, headers, body))
    except SmartyPantsError as exc:  # it is done all the same
        log.warning("response not kept for its key", error=str(exc))


def _release(engine: Engine, claim: Claim) -> None:
    try:
        idempotency.release(engine, claim)
    except SmartyPantsError as exc:
        log.warning("idempotency key not released", error=str(exc))


def _again(kept: KeptResponse) -> Response:
    """Raises `Conflict` for what was not kept."""
    if kept.body is None:
        raise Conflict(
            "It was done already, and its answer, which held a secret, was not kept.",
            "Revoke what it made, and send it again with another key.",
        )
    return Response(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})
