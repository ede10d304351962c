"""Runs the whole system on this machine: Ray, the vector server, the graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions
from ray.serve.schema import ApplicationStatus

from actors import cluster
from actors.vectordb import start_vector_server
from deployments.app import build_app
from smartypants import doctor, ports, runtime, wiring
from smartypants.errors import SetupError, Unavailable
from smartypants.ledger.database import migrate
from smartypants.settings import Settings

APP = "smartypants"
START_TIMEOUT_S = 600.0


@contextmanager
def stores(settings: Settings, purpose: str) -> Iterator[None]:
    """Hold the data directory, with the ledger up to date, Ray and the vector server running.

    Raises `Conflict` or `PortTaken` where another process has the directory or the port.
    """
    with ExitStack() as stack:
        if settings.ray.address is None:
            stack.enter_context(runtime.exclusive(settings, purpose))
        migrate(wiring.open_ledger(settings))
        cluster.start(settings)
        stack.callback(ray.shutdown)
        if settings.embedded_vectors:
            # Not before: what a killed system left behind ends while Ray starts.
            port = settings.vectors.embedded_port
            stack.enter_context(ports.claimed(port, "vectors.embedded_port"))
        server = start_vector_server(settings)
        if server is not None:
            stack.callback(lambda: ray.get(server.stop.remote(), timeout=30))
        yield


@contextmanager
def system(settings: Settings) -> Iterator[str]:
    """The system, starting; yields its URL. It ends, in order, with the block.

    Raises what `doctor.preflight` finds before anything is started.
    """
    doctor.preflight(settings)
    with ExitStack() as stack:
        stack.enter_context(ports.claimed(settings.http.port, "http.port", settings.http.host))
        stack.enter_context(stores(settings, "up"))
        stack.callback(serve.shutdown)
        try:
            _deploy(settings)
        except (RayError, RuntimeError) as exc:
            raise SetupError(
                f"Ray Serve did not start: {_cause(str(exc))}",
                "If the machine was busy, try again. Serve's logs are in "
                f"{cluster.scratch_dir(settings)}/session_latest/logs/serve.",
            ) from exc
        runtime.announce(settings)
        stack.callback(runtime.withdraw, settings)
        yield runtime.url(settings)


def _deploy(settings: Settings) -> None:
    http = HTTPOptions(host=settings.http.host, port=settings.http.port, request_timeout_s=None)
    # Serve does all of it, but waits only 60 s for its proxy; who waits for the parts waits longer.
    with suppress(TimeoutError):
        serve.start(http_options=http)
    with suppress(TimeoutError):
        serve.run_many(
            [serve.RunTarget(build_app(settings), name=APP, route_prefix="/")],
            wait_for_applications_running=False,  # the LLM takes a minute; the rest serves before
        )


def wait_until_ready(
    url: str,
    report: Callable[[dict[str, Any]], None],
    *,
    parts: tuple[str, ...] = (),
    check: Callable[[], None] = lambda: None,
) -> None:
    """Return when the system, or the named parts of it, can serve. `report` gets the parts' state.

    Raises `SetupError` if a deployment failed, `Unavailable` if it takes too long, and what
    `check` does, which is called again and again.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            state = httpx.get(f"{url}/readyz", timeout=10).json()["parts"]
        except (httpx.HTTPError, ValueError, KeyError):
            state = {}
        report(state)
        wanted = [state.get(name, {}) for name in parts] if parts else list(state.values())
        if wanted and all(part.get("ready") for part in wanted):
            return
        _check_deployed()
        check()
        time.sleep(0.5)
    raise Unavailable("The system did not get ready in time.", "See `smartypants status`.")


def _check_deployed() -> None:
    if not ray.is_initialized():
        return  # somebody else's process runs the graph
    status = serve.status().applications.get(APP)
    if status is not None and status.status == ApplicationStatus.DEPLOY_FAILED:
        raise SetupError(f"The graph could not be deployed: {_cause(status.message)}", "")


def _cause(message: str) -> str:
    """The line that names the error, out of Serve's account of it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("smartypants.errors.")]
    return ours[-1].split(":", 1)[-1].strip() if ours else (lines[-1] if lines else message)
