"""Maps what the ledger's database answers to our errors, in one place for both databases."""

from __future__ import annotations

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from smartypants.errors import LedgerUnavailable, SetupError, SmartyPantsError

_NO_TABLE = ("42P01", "42703")
_SQLITE_NO_TABLE = ("no such table", "no such column", "has no column named")
_DENIED = "42501"


def map_errors(engine: Engine) -> None:
    """Have the engine raise `LedgerUnavailable` where trying again may help, and `SetupError`
    for tables that are missing; faults of ours stay SQLAlchemy's errors."""
    event.listen(engine, "handle_error", _mapped, retval=True)


def _mapped(context: ExceptionContext) -> SmartyPantsError | None:
    if context.is_pre_ping:
        return None  # the pool notices a lost connection by it, and opens another
    cause = context.original_exception
    reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate in _NO_TABLE or any(text in reason for text in _SQLITE_NO_TABLE):
        return SetupError(
            f"The ledger's tables are not those of this version: {reason}",
            "Run `smartypants ledger upgrade`.",
        )
    if sqlstate == _DENIED:
        return SetupError(
            f"The ledger's database refused: {reason}", "Grant it to the role in ledger.url."
        )
    if context.is_disconnect or isinstance(
        context.sqlalchemy_exception, OperationalError | InterfaceError
    ):
        return LedgerUnavailable(
            f"The ledger's database does not answer: {reason}",
            "Is it running, and is ledger.url right? Try again in a moment.",
        )
    return None


class LedgerPool(QueuePool):
    """Connections of one process; waiting too long for a free one is an error of ours."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except TimeoutError as exc:
            raise LedgerUnavailable(
                "All connections of this process to the ledger are busy.",
                "Try again in a moment.",
            ) from exc
