"""Structured logs: one event a line, with the ids bound to the request or job at hand.

What others say (errors, tracebacks) goes through the rules for secrets: no local variables are
printed, and what has the form of a credential is left out.
"""

from __future__ import annotations

import logging
import sys

import structlog

from smartypants.options.serving import LogSettings
from smartypants.safety.secrets import SECRETS

_SAID_BY_OTHERS = ("error", "exception", "detail", "reason")
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(settings: LogSettings) -> None:
    """Send our logs, and the standard library's, to standard error."""
    level = _LEVELS[settings.level]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _scrub,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Scrubbed(logging.BASIC_FORMAT))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler])


def _scrub(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key in _SAID_BY_OTHERS:
        if isinstance(event.get(key), str):
            event[key] = _without_secrets(event[key])
    return event


class _Scrubbed(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _without_secrets(super().format(record))


def _without_secrets(text: str) -> str:
    try:
        return SECRETS.replaced(text)
    except TimeoutError:
        return "[removed: it could not be searched for secrets in time]"
