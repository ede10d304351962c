"""Asks the application over HTTP and WebSockets, as one user or another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Match, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession

CHAT = "/v1/chat"
WEBSOCKET = "WEBSOCKET"


class Web:
    """The application's clients; `asked` has the routes that were asked, as `GET /v1/jobs`."""

    def __init__(self, client: TestClient) -> None:
        assert isinstance(client.app, Starlette)
        self._client = client
        self._routes = client.app.routes
        self.keys: dict[str, str] = {}
        self.asked: set[str] = set()

    def get(self, user: str, path: str, **params: object) -> Any:
        return self.ask(user, "GET", path, params=params)

    def post(self, user: str, path: str, body: object) -> Any:
        return self.ask(user, "POST", path, json=body)

    def ask(
        self,
        user: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        **options: Any,
    ) -> Any:
        self._note("http", method, path)
        sent = {**self._headers(user), **headers}
        return self._client.request(method, path, headers=sent, **options)

    @contextmanager
    def chat(self, user: str) -> Iterator[WebSocketTestSession]:
        self._note("websocket", WEBSOCKET, CHAT)
        with (
            suppress(CancelledError),  # how the test client ends the application's side
            self._client.websocket_connect(CHAT, headers=self._headers(user)) as socket,
        ):
            yield socket

    def _headers(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[user]}"}

    def _note(self, kind: str, method: str, path: str) -> None:
        scope = {"type": kind, "method": method, "path": path}
        for route in self._routes:
            if isinstance(route, Route | WebSocketRoute) and route.matches(scope)[0] is Match.FULL:
                self.asked.add(f"{method} {documented(route.path)}")

    def routes(self) -> set[str]:
        """Every route of the OpenAPI document, and those of WebSockets, which it can't have."""
        paths = self._client.get("/openapi.json").json()["paths"]
        http = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
        sockets = {route.path for route in self._routes if isinstance(route, WebSocketRoute)}
        return http | {f"{WEBSOCKET} {path}" for path in sockets}


def documented(path: str) -> str:
    """A route's path as the OpenAPI document has it."""
    return re.sub(r":\w+}", "}", path)
