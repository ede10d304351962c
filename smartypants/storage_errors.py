"""What went wrong in a store, as an error of ours; the clients tell it in words alone."""

from __future__ import annotations

import re

from smartypants.addresses import Address
from smartypants.errors import (
    InvalidRequest,
    NotFound,
    SmartyPantsError,
    StorageDenied,
    StorageUnavailable,
)

MAX_DETAIL = 300

_DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|INVALID_CLIENT_TOKEN_ID|INVALID_SIGNATURE"
    r"|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN|InvalidToken|HTTP (?:response|status) code: 40[13]"
    r"|PERMISSION_DENIED|UNAUTHENTICATED|AuthorizationFailure|AuthorizationPermissionMismatch"
    r"|AuthenticationFailed|NoAuthenticationInformation|\] 40[13] "
)
_MISSING = re.compile(r"NO_SUCH_BUCKET|NO_SUCH_KEY|ContainerNotFound|No such file or directory")


def mapped(exc: Exception, place: Address, *, doing: str, detail: str) -> SmartyPantsError:
    """The error for a failed call; `detail` is the client's message without secrets."""
    detail = " ".join(detail.split())[:MAX_DETAIL]
    if isinstance(exc, TimeoutError):
        return StorageUnavailable(f"{place.uri} can't be {doing}: {detail}.", "Is the store up?")
    if isinstance(exc, PermissionError) or _DENIED.search(detail):
        return StorageDenied(
            f"{place.uri} can't be {doing}: access denied. {detail}",
            f"Check the credentials for {place.scheme}:// and their rights; docs/storage.md.",
        )
    if isinstance(exc, FileNotFoundError) or _MISSING.search(detail):
        return NotFound(f"There is no {place.uri}.", "Check the bucket and the path.")
    if isinstance(exc, ValueError):
        return InvalidRequest(f"{place.uri} can't be {doing}: {detail}", "Check the URI.")
    return StorageUnavailable(
        f"{place.uri} can't be {doing}: {detail}",
        "Is the store up, and are its settings right? See `smartypants doctor`.",
    )
