"""Who can reach the system: nobody but this machine, unless it asks who is there."""

from __future__ import annotations

from typing import Final

from smartypants.auth.settings import is_loopback
from smartypants.errors import SetupError
from smartypants.settings import Settings

WARNING: Final = (
    "Authentication is off: everybody who reaches this address may read and delete everything."
)
_HINT: Final = (
    "Set auth.mode to required (SMARTYPANTS_AUTH__MODE=required) and make the first key with "
    "`smartypants keys bootstrap`; or listen on 127.0.0.1."
)


def check_exposure(settings: Settings) -> str:
    """What there is to know about it. Raises `SetupError` for an open door to a network."""
    host = settings.http.host
    if settings.auth.mode == "required":
        return f"required; listening on {host}"
    if not is_loopback(host):
        raise SetupError(
            f"http.host is {host}, but auth.mode is open: whoever reaches that address could read "
            "and delete everything.",
            _HINT,
        )
    return f"open, on {host} alone"


def check_cluster(settings: Settings) -> None:
    """A cluster's proxies listen on every address. Raises `SetupError`."""
    if settings.auth.mode != "required":
        raise SetupError(
            "auth.mode is open, and on a cluster every node listens: whoever reaches one could "
            "read and delete everything.",
            _HINT,
        )
