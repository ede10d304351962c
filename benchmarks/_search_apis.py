"""The servers of `benchmarks.search_peers`: how each is started, asked and understood."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks import _beir, _peers
from smartypants.api import context

TOP_K = 10
TIMEOUT_S = 120.0
_STARTING_TIMEOUT_S = 30.0

Send = Callable[[str], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Api:
    """One kind of server."""

    request: Callable[[str], dict[str, Any]]
    """Arguments of `httpx.AsyncClient.request`, for a question."""
    documents: Callable[[Any], list[str]]
    """The ids of the passages in the body of an answer, best first."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a peer's server needs."""

    programs: Path
    index: Path
    """The folder that its index was made in."""
    model: Path


@dataclass(frozen=True, slots=True)
class Peer:
    api: Api
    command: Callable[[Place, int], list[str]]
    """Starts a server on a port of the loopback interface."""
    environ: Callable[[Place], dict[str, str]]


def ours(collection: str, ids: Mapping[str, str]) -> Api:
    """`ids`: file name → passage.

    Questions may take as long as a client waits, so that ours queues them all, as the peers do,
    instead of turning away or shortening what can't be done in time.
    """
    headers = {context.DEADLINE: str(int(1000 * TIMEOUT_S))}

    def request(text: str) -> dict[str, Any]:
        body = {"query": text, "collection": collection, "top_k": TOP_K}
        return {"method": "POST", "url": "/v1/search", "json": body, "headers": headers}

    return Api(request, lambda body: _once(ids[_beir.name_in(hit["uri"])] for hit in body["hits"]))


def haystack() -> Peer:
    """Hayhooks, with the pipeline in benchmarks/peers/hayhooks."""

    def request(text: str) -> dict[str, Any]:
        return {"method": "POST", "url": "/search/run", "json": {"query": text, "top_k": TOP_K}}

    def command(place: Place, port: int) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(port)]
        pipelines = ["--pipelines-dir", str(_peers.SCRIPTS / "hayhooks")]
        quiet = ["--without-tracing", "--without-monitoring"]
        return [str(place.programs / "hayhooks"), "run", *where, *pipelines, *quiet]

    def environ(place: Place) -> dict[str, str]:
        return {
            "PEER_INDEX": str(place.index / "store.json"),
            "PEER_MODEL": str(place.model),
            "HAYHOOKS_LOG_LEVEL": "WARNING",
            "HAYHOOKS_TRACING_INCLUDE_HAYSTACK_SPANS": "false",
        }

    api = Api(request, lambda body: _once(hit["id"] for hit in body["result"]))
    return Peer(api, command, environ)


def txtai() -> Peer:
    """txtai's FastAPI application."""

    def request(text: str) -> dict[str, Any]:
        return {"method": "GET", "url": "/search", "params": {"query": text, "limit": TOP_K}}

    def command(place: Place, port: int) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(port)]
        return [str(place.programs / "uvicorn"), "txtai.api:app", *where, "--no-access-log"]

    def environ(place: Place) -> dict[str, str]:
        return {"CONFIG": str(place.index / "config.yml")}

    return Peer(Api(request, lambda body: _once(hit["id"] for hit in body)), command, environ)


@asynccontextmanager
async def sending(api: Api, urls: Sequence[str]) -> AsyncIterator[Send]:
    """What sends a question to one of the servers, to each in turn.

    Raises `httpx.HTTPStatusError` where a server answers with an error.
    """
    # uvicorn closes what was idle for 5 s: no request may meet that.
    limits = httpx.Limits(max_connections=None, keepalive_expiry=1.0)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits)
            )
            for url in urls
        ]
        turns = itertools.cycle(clients)

        async def send(text: str) -> httpx.Response:
            response = await next(turns).request(**api.request(text))
            return response.raise_for_status()

        yield send


def answers(api: Api, url: str, text: str) -> bool:
    """Whether the server searches by now."""
    with httpx.Client(base_url=url, timeout=_STARTING_TIMEOUT_S) as client:
        try:
            return client.request(**api.request(text)).is_success
        except httpx.TransportError:
            return False


def _once(ids: Iterable[str]) -> list[str]:
    """Each passage at the place of its best hit."""
    return list(dict.fromkeys(ids))
