"""An HTTP endpoint that serves models: how it is reached, and what its errors mean."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from types import ModuleType
from typing import Any, Final, Literal

from smartypants import credentials
from smartypants.credentials import Credential, is_reference
from smartypants.errors import (
    InvalidRequest,
    LLMUnavailable,
    Overloaded,
    SetupError,
    SmartyPantsError,
    Unavailable,
)
from smartypants.providers.retry_after import retry_after_s

MAX_RESPONSE_BYTES: Final = 64 * 2**20
_MAX_DETAIL: Final = 300
_FULL: Final = {"rate_limit_error", "overloaded_error", "rate_limit_exceeded"}


class Endpoint:
    """What the clients of OpenAI and of Anthropic have in common; both are made by one generator.

    `headers` are values, or references to secrets (`env:NAME`, `file:/PATH`); `credential` is
    sent in `credential_header` after `scheme`. Secrets are looked up as each request leaves,
    after the vendor's client has logged it, and no redirect carries them elsewhere.
    """

    def __init__(
        self,
        base: str,
        *,
        credential: str | None = None,
        credential_header: str = "Authorization",
        scheme: str = "Bearer ",
        headers: Mapping[str, str] | None = None,
        unavailable: type[Unavailable] = LLMUnavailable,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self.base = base
        self._unavailable = unavailable
        self._max_bytes = max_response_bytes
        self._plain: dict[str, str] = {}
        self._secret: list[tuple[str, str, Credential]] = []
        if credential is not None:
            self._secret.append((credential_header, scheme, Credential(credential)))
        for name, value in (headers or {}).items():
            if is_reference(value):
                self._secret.append((name, "", Credential(value)))
            else:
                self._plain[name] = value

    def client(self, http: ModuleType, kind: Literal["AsyncClient", "Client"]) -> Any:
        """A client of `httpx`, or of `httpx2`, which is the same by another name."""
        guard = self._async_guard(http) if kind == "AsyncClient" else self._guard(http)
        return getattr(http, kind)(
            auth=self._authorize,
            event_hooks={"response": [guard]},
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
            limits=http.Limits(max_connections=1000, max_keepalive_connections=100),
        )

    def quoted(self, exc: Exception) -> bool:
        """Whether a log of the exception would show a secret: vendors may repeat them."""
        told = "".join(traceback.format_exception(exc))
        return any(secret in told for secret in self._given)

    def mapped(self, exc: Exception, sdk: Any, *, model: str, late: str = "") -> SmartyPantsError:
        """What the exception of the vendor's client means; `late` says which limit passed."""
        cause: BaseException | None = exc
        while cause is not None:  # raised as the request left or its response came
            if isinstance(cause, SmartyPantsError):
                return cause
            cause = cause.__cause__
        if isinstance(exc, sdk.APIStatusError):
            return self._of_status(exc, model)
        if isinstance(exc, (TimeoutError, sdk.APITimeoutError)):
            said = late or "did not answer in time"
            return self._unavailable(f"{self.base} {said}.", "Try again, or raise timeout_s.")
        if isinstance(exc, sdk.APIConnectionError):
            return self._unavailable(
                f"{self.base} can't be reached.", "Is it up? Is `api_base` right?"
            )
        # What is left happened in the middle of a response: a dropped connection, an error
        # event, or bytes that are not the protocol.
        return self._unavailable(f"{self.base} broke off: {type(exc).__name__}: {self._said(exc)}")

    def _of_status(self, exc: Any, model: str) -> SmartyPantsError:
        status: int = exc.status_code
        said = f"{self.base} answered {status}"
        detail = self._said(getattr(exc, "message", ""))
        error: SmartyPantsError
        if status in (401, 402, 403):
            # Not the endpoint's words: they may quote a part of the key.
            names = ", ".join(found.reference for _, _, found in self._secret) or "none is set"
            return SetupError(f"{said}.", f"Check its credential ({names}) and its account.")
        if status == 404 or 300 <= status < 400:
            return SetupError(f"{said} for {model}.", "Check api_base and the model's name there.")
        if status in (429, 529) or _type(exc) in _FULL:
            error = Overloaded(f"{said}: {detail}", "Try again later.")
        elif status >= 500 or status in (200, 408, 409, 425):
            error = self._unavailable(f"{said}: {detail}", "Try again later.")
        else:
            return InvalidRequest(f"{said} for the model {model}: {detail}")
        error.retry_after_s = retry_after_s(exc.response.headers)
        return error

    def _authorize(self, request: Any) -> Any:
        for name, value in self._plain.items():
            request.headers[name] = value
        for name, scheme, credential in self._secret:
            request.headers[name] = scheme + credential.reveal()
        return request

    def _said(self, text: object) -> str:
        shown = credentials.scrub(str(text), self._given)
        return shown if len(shown) <= _MAX_DETAIL else f"{shown[:_MAX_DETAIL]}…"

    @property
    def _given(self) -> tuple[str, ...]:
        return tuple(secret for _, _, found in self._secret for secret in found.given)

    def _check(self, response: Any) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            # Not asked for, and a few bytes of it may be gigabytes.
            raise self._unavailable(f"{self.base} sent a compressed response.")

    def _counted(self, count: int) -> int:
        if count > self._max_bytes:
            raise self._unavailable(f"{self.base} sent over {self._max_bytes} bytes.")
        return count

    def _async_guard(self, http: Any) -> Any:
        endpoint = self

        class Bounded(http.AsyncByteStream):  # type: ignore[misc]
            def __init__(self, stream: Any) -> None:
                self._stream = stream

            async def __aiter__(self) -> AsyncIterator[bytes]:
                count = 0
                async for piece in self._stream:
                    count = endpoint._counted(count + len(piece))
                    yield piece

            async def aclose(self) -> None:
                await self._stream.aclose()

        async def guard(response: Any) -> None:
            endpoint._check(response)
            response.stream = Bounded(response.stream)

        return guard

    def _guard(self, http: Any) -> Any:
        endpoint = self

        class Bounded(http.SyncByteStream):  # type: ignore[misc]
            def __init__(self, stream: Any) -> None:
                self._stream = stream

            def __iter__(self) -> Iterator[bytes]:
                count = 0
                for piece in self._stream:
                    count = endpoint._counted(count + len(piece))
                    yield piece

            def close(self) -> None:
                self._stream.close()

        def guard(response: Any) -> None:
            endpoint._check(response)
            response.stream = Bounded(response.stream)

        return guard


def _type(exc: Any) -> str:
    """What the body of an error calls itself; an event in a stream has status 200."""
    body = exc.body if isinstance(exc.body, dict) else {}
    error = body.get("error", body)
    return str(error.get("type", "")) if isinstance(error, dict) else ""
