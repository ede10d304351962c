"""`abfs://container/prefix` (or `az://`): Azure Blob Storage, with or without Data Lake."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from smartypants.errors import SetupError
from smartypants.protocols import Commit

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


class AzureStorage:
    """Without credentials, the Azure SDK looks: environment, workload or managed identity."""

    # Opening a stream empties the blob, and writers of one blob mix their blocks.
    commit: Commit = "copy"

    def __init__(
        self,
        *,
        account: str | None = None,
        endpoint: str | None = None,
        dfs_endpoint: str | None = None,
        account_key: str | None = None,
        sas_token: str | None = None,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        timeout_s: float = 60.0,
        listing_timeout_s: float = 600.0,
    ) -> None:
        self._account = account
        self._blob, self._dfs = (
            urlsplit(url) if url else None for url in (endpoint, dfs_endpoint or endpoint)
        )
        self._account_key = account_key
        self._sas_token = sas_token
        self._application = (tenant_id, client_id, client_secret)

    def open(self, authority: str, path: str) -> tuple[FileSystem, str]:
        from pyarrow.fs import AzureFileSystem

        container, _, host = authority.partition("@")
        account = host.partition(".")[0] or self._account
        if account is None:
            raise SetupError(
                f"No storage account is known for the container {container}.",
                "Set storage.abfs.account.",
            )
        if self._account not in (None, account):  # its secrets are not for another account
            raise SetupError(
                f"The URI names the account {account}, the settings name {self._account}.",
                "Give the other account its own entry in storage.prefixes.",
            )
        if self._account_key is not None:
            _check_key(self._account_key)
        tenant_id, client_id, client_secret = self._application
        filesystem = AzureFileSystem(
            account,
            account_key=self._account_key,
            sas_token="?" + self._sas_token.lstrip("?") if self._sas_token else None,
            tenant_id=tenant_id,
            client_id=client_id,
            client_secret=client_secret,
            blob_storage_authority=self._blob.netloc if self._blob else None,
            blob_storage_scheme=self._blob.scheme if self._blob else None,
            dfs_storage_authority=self._dfs.netloc if self._dfs else None,
            dfs_storage_scheme=self._dfs.scheme if self._dfs else None,
        )
        return filesystem, f"{container}/{path}".rstrip("/")


def _check_key(key: str) -> None:
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        bad = True
    else:
        bad = False
    if bad:  # the client would end the whole process
        raise SetupError(
            "The Azure account key is not base64.", "Check what storage.abfs.account_key names."
        )


PLUGIN = AzureStorage
