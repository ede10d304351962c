"""Which address a request comes from: what its proxies say, as far as they are trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from smartypants.options.serving import Network

FORWARDED: Final = "X-Forwarded-For"


class Forwarded:
    """Makes the address in `scope["client"]` that of the client, for all who look there."""

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[Network]) -> None:
        self.app = app
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            found = address(HTTPConnection(scope), self.trusted_proxies)
            scope["client"] = (found, 0) if found else None
        await self.app(scope, receive, send)


def address(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """The last in the chain of proxies that is none of ours; empty where nobody knows.

    What stands further to the left in `X-Forwarded-For` is whatever the client wrote there. The
    server must leave the connection's address alone: uvicorn does where FORWARDED_ALLOW_IPS is
    empty.
    """
    peer = connection.client.host if connection.client else ""
    headers = connection.headers.getlist(FORWARDED)
    named = [_host(part) for header in headers for part in header.split(",")]
    chain = [*named, peer]
    while len(chain) > 1 and _within(chain[-1], trusted):
        chain.pop()
    return chain[-1]


def _host(part: str) -> str:
    """Without the port that some proxies write."""
    text = part.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _within(host: str, networks: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(found in network for network in networks)
