"""What logs look like, and what they leave out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
import structlog

from smartypants.auth.secrets import KeySecret
from smartypants.settings import LogSettings
from smartypants.telemetry import configure_logs
from tests.canaries import canary

PASSWORD = canary("hunter2-of-the-logs")
LOCAL = canary("only-a-local-variable")


@contextmanager
def configured(**settings: Any) -> Iterator[None]:
    """Without pytest's own handlers: `basicConfig` does nothing beside others."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers.clear()
    configure_logs(LogSettings(**settings))
    try:
        yield
    finally:
        root.handlers[:] = handlers
        structlog.reset_defaults()


def fail(key: KeySecret) -> None:
    kept = LOCAL
    raise ValueError(
        f"postgresql://role:{PASSWORD}@host/db refused {key.text}, password={PASSWORD}, "
        f"of {len(kept)} characters"
    )


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_without_variables_and_secrets(
    form: Literal["json", "console"], capfd: pytest.CaptureFixture[str]
) -> None:
    key = KeySecret.new()
    with configured(format=form):
        try:
            fail(key)
        except ValueError as exc:
            structlog.get_logger("x").exception("failed", error=str(exc), job="j1")
            logging.getLogger("of.others").exception("failed: %s", exc)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("of 21 characters") == 4  # twice each: the error and its traceback
    for secret in (PASSWORD, LOCAL, key.secret):
        assert secret not in err
    assert "[removed: own key]" in err


def test_one_object_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger("x")
    with configured(level="warning"), structlog.contextvars.bound_contextvars(request_id="r1"):
        log.info("unseen")
        log.warning("seen", count=2, error=None)
    [line] = capfd.readouterr().err.splitlines()
    found: dict[str, Any] = json.loads(line)
    del found["timestamp"]
    wanted = {"event": "seen", "level": "warning", "count": 2, "error": None, "request_id": "r1"}
    assert found == wanted
