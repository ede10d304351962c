"""Pages of other sites: none of them may call the API unless the settings name it."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from smartypants.api import context
from smartypants.api.conditional import IF_MATCH, IF_NONE_MATCH
from smartypants.api.idempotency import KEY, REPLAYED
from smartypants.options.serving import HttpSettings

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
ACCEPTED = ("Authorization", "Content-Type", context.REQUEST_ID, context.DEADLINE, KEY, IF_MATCH,
            IF_NONE_MATCH)  # fmt: skip
EXPOSED = (context.REQUEST_ID, "ETag", "Location", "Retry-After", REPLAYED)


def cross_origin(settings: HttpSettings) -> list[Middleware]:
    """Without cookies: such pages send a bearer token, and sessions are for our own."""
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=METHODS,
            allow_headers=ACCEPTED,
            expose_headers=EXPOSED,
        )
    ]
