"""`gs://bucket/prefix`: Google Cloud Storage."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from smartypants.errors import SetupError
from smartypants.protocols import Commit

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

TOKEN_LIFETIME = timedelta(hours=1)
VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_environment = threading.Lock()


class GcsStorage:
    """Without credentials, Google's client looks: environment, gcloud, the machine's account."""

    commit: Commit = "close"

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        anonymous: bool = False,
        credentials_file: str | None = None,
        access_token: str | None = None,
        timeout_s: float = 60.0,
        listing_timeout_s: float = 600.0,
    ) -> None:
        self._endpoint = urlsplit(endpoint or "https://")
        self._anonymous = anonymous
        self._credentials_file = credentials_file
        self._token = access_token
        self._timeout_s = timeout_s

    def open(self, authority: str, path: str) -> tuple[FileSystem, str]:
        from pyarrow.fs import GcsFileSystem

        with _default_credentials(self._credentials_file):
            filesystem = GcsFileSystem(
                anonymous=self._anonymous,
                access_token=self._token,
                credential_token_expiration=datetime.now(UTC) + TOKEN_LIFETIME
                if self._token
                else None,
                scheme=self._endpoint.scheme,
                endpoint_override=self._endpoint.netloc or None,
                retry_time_limit=timedelta(seconds=max(self._timeout_s * 0.8, 1.0)),
            )
        return filesystem, f"{authority}/{path}".rstrip("/")


@contextmanager
def _default_credentials(path: str | None) -> Iterator[None]:
    """The client takes a key file from this variable alone, when it is made."""
    if path is None:
        yield
        return
    if not os.access(path, os.R_OK):
        raise SetupError(
            f"The key file {path} can't be read.", "Check credentials_file in the settings."
        )
    with _environment:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = path
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before


PLUGIN = GcsStorage
