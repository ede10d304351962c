"""The connection to a Milvus server: opened at its first use, its errors mapped to ours."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from smartypants.credentials import Credential
from smartypants.errors import SetupError, VectorStoreUnavailable

P = ParamSpec("P")
R = TypeVar("R")

_TIMEOUT_S = 30.0
_NOT_LOADED = ("not loaded", "released", "NotLoad", "before search")
_LOAD_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 8.0


class MilvusConnection:
    """A client of the server at `uri`, shared by threads.

    >>> MilvusConnection("http://127.0.0.1:19530", token=None).client.list_collections()
    """

    def __init__(self, uri: str, *, token: str | None) -> None:
        """`token` refers to the secret. Raises `SetupError` for a URI that is no server's."""
        if not uri.startswith(("http://", "https://", "tcp://", "unix:")):
            # pymilvus would open a Milvus Lite file of its own in each of our processes.
            raise SetupError(
                f"{uri} is not a Milvus server.",
                "Set vectors.uri to http://HOST:PORT, or leave it out for an embedded server.",
            )
        self.uri = uri
        self._token = Credential(token) if token else None
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def client(self) -> Any:
        with self._lock:
            if self._client is None:
                from pymilvus import MilvusClient

                # It logs every failed call with a traceback; we answer from the exception.
                for name in [*logging.root.manager.loggerDict]:
                    if name.startswith("pymilvus"):
                        logging.getLogger(name).setLevel(logging.CRITICAL)
                token = self._token.reveal() if self._token else ""
                self._client = MilvusClient(uri=self.uri, token=token, timeout=_TIMEOUT_S)
            return self._client

    def forget(self) -> None:
        """Connect anew at the next use: a client that failed to connect backs off for long."""
        self._client = None


class Connected(Protocol):
    """What makes its calls over a connection."""

    @property
    def connection(self) -> MilvusConnection: ...

    def load(self, physical: str) -> None:
        """Bring a collection into the server's memory."""


S = TypeVar("S", bound=Connected)


def mapped(
    call: Callable[Concatenate[S, str, P], R],
) -> Callable[Concatenate[S, str, P], R]:
    """Maps Milvus' errors to ours, and loads a collection that a restart left unloaded."""

    @functools.wraps(call)
    def answered(self: S, physical: str, *args: P.args, **kwargs: P.kwargs) -> R:
        import grpc
        from pymilvus.exceptions import MilvusException

        deadline = time.monotonic() + _LOAD_TIMEOUT_S
        while True:
            try:
                return call(self, physical, *args, **kwargs)
            except (MilvusException, grpc.RpcError) as exc:
                unloaded = any(mark in str(exc) for mark in _NOT_LOADED)
                left = deadline - time.monotonic()
                connecting = "Fail connecting" in str(exc) and call.__name__ != "_names"
                if connecting and left > _LOAD_TIMEOUT_S - _CONNECT_TIMEOUT_S:
                    # A busy server takes its time to accept; whatever we ask for is idempotent.
                    self.connection.forget()
                    time.sleep(0.5)
                    continue
                if unloaded and call.__name__ != "load" and left > 0:
                    self.load(physical)
                    time.sleep(0.1)  # somebody else may be loading it just now
                    continue
                raise VectorStoreUnavailable(
                    f"Milvus at {self.connection.uri} refused {call.__name__} on {physical}: {exc}",
                    "Is it running? See `smartypants doctor`.",
                ) from exc

    return cast("Callable[Concatenate[S, str, P], R]", answered)
