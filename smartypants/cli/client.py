"""The commands' side of the HTTP API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx

from smartypants import runtime
from smartypants.errors import NotRunning, SmartyPantsError
from smartypants.settings import Settings

API_KEY = "SMARTYPANTS_API_KEY"
TIMEOUT = httpx.Timeout(10.0, read=300.0)


def base_url(settings: Settings) -> str:
    """`$SMARTYPANTS_URL`, or the system that runs here. Raises `NotRunning`."""
    return os.environ.get("SMARTYPANTS_URL") or runtime.require_running(settings).url


def request(settings: Settings, method: str, path: str, **kwargs: Any) -> Any:
    """The decoded answer. Raises the error that the server's problem document names."""
    try:
        response = httpx.request(
            method, base_url(settings) + path, timeout=TIMEOUT, headers=_headers(), **kwargs
        )
    except httpx.HTTPError as exc:
        raise _unreachable(settings, exc) from exc
    if response.is_error:
        raise _problem(response)
    return response.json() if response.content else None


def events(settings: Settings, path: str, body: Any) -> Iterator[tuple[str, Any]]:
    """The (event, data) pairs of a streamed answer."""
    try:
        with httpx.stream(
            "POST", base_url(settings) + path, json=body, timeout=TIMEOUT, headers=_headers()
        ) as response:
            if response.is_error:
                response.read()
                raise _problem(response)
            yield from _parse(response.iter_lines())
    except httpx.HTTPError as exc:
        raise _unreachable(settings, exc) from exc


def _headers() -> dict[str, str]:
    """The key of `$SMARTYPANTS_API_KEY`, where there is one."""
    key = os.environ.get(API_KEY, "").strip()
    return {"Authorization": f"Bearer {key}"} if key else {}


def _parse(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name, data = "message", ""
    for line in lines:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].removeprefix(" ")
        elif not line and data:
            value = json.loads(data)
            if name == "error":
                raise _error(value)
            yield name, value
            name, data = "message", ""


def _problem(response: httpx.Response) -> SmartyPantsError:
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": f"The server answered {response.status_code}."}
    return _error(problem)


def _error(problem: dict[str, Any]) -> SmartyPantsError:
    found = _by_code().get(problem.get("code", ""), SmartyPantsError)
    detail = problem.get("detail") or problem.get("title") or "The server reported an error."
    fields = "; ".join(
        f"{item.get('field') or item.get('path') or item.get('loc')}: {item.get('message')}"
        for item in problem.get("errors") or []
    )
    return found(f"{detail} {fields}".strip(), problem.get("hint") or "")


def _by_code() -> dict[str, type[SmartyPantsError]]:
    kinds = [SmartyPantsError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {kind.code: kind for kind in kinds}


def _unreachable(settings: Settings, exc: httpx.HTTPError) -> SmartyPantsError:
    return NotRunning(
        f"{base_url(settings)} does not answer: {exc}",
        "It may still be starting: see `smartypants status`.",
    )
