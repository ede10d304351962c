"""Azure Blob Storage."""

from __future__ import annotations

import pytest

from smartypants.errors import SetupError, StorageDenied
from smartypants.options.storage import StorageSettings
from smartypants.storage import Place
from smartypants.storages.abfs import AzureStorage
from tests.canaries import canary
from tests.servers.stores import options


def test_key_that_would_end_the_process() -> None:
    storage = AzureStorage(account="acme", account_key="not base64: TOPSECRET")
    with pytest.raises(SetupError, match="not base64") as caught:
        storage.open("container", "x")
    assert "TOPSECRET" not in str(caught.value)


def test_secrets_are_not_for_another_account() -> None:
    storage = AzureStorage(account="acme", sas_token="sig=x")
    with pytest.raises(SetupError, match=r"names the account evil.*name acme"):
        storage.open("container@evil.dfs.core.windows.net", "x")


def test_account_in_the_uri_or_in_the_settings() -> None:
    assert AzureStorage().open("c@acme.dfs.core.windows.net", "x/y")[1] == "c/x/y"
    assert AzureStorage(account="acme").open("c", "")[1] == "c"
    with pytest.raises(SetupError, match=r"storage\.abfs\.account"):
        AzureStorage().open("c", "x")


@pytest.mark.integration
@pytest.mark.parametrize("mark", ["", "?"])
def test_signature_is_sent_and_not_shown(
    abfs_port: int, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    token = f"sv=2024-08-04&ss=b&srt=co&sp=rl&se=2099-01-01&sig={canary('VE9QU0VDUkVU')}%3D"
    monkeypatch.setenv("TEST_SAS", mark + token)
    section = options("abfs", abfs_port, account_key=None, sas_token="env:TEST_SAS")
    place = Place("abfs://bucket/x", StorageSettings.model_validate(section))
    with pytest.raises(StorageDenied) as caught:
        place.read("a")
    assert "VE9QU0VDUkVU" not in str(caught.value)
    assert caught.value.__context__ is None
