"""The check of the blob store."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartypants.doctor import Check, examine
from smartypants.settings import Settings
from smartypants.storage import Place
from tests.servers import faults
from tests.servers.stores import Store, options


def blobs(settings: Settings) -> Check:
    (check,) = [check for check in examine(settings) if check.name == "blobs"]
    return check


@pytest.mark.integration
def test_store_that_works_is_left_as_it_was(tmp_path: Path, store: Store) -> None:
    settings = Settings(data_dir=tmp_path, blobs={"uri": store.uri}, storage=store.settings)
    Place(store.uri, store.settings).write("raw/a", b"1")
    check = blobs(settings)
    assert (check.ok, check.detail) == (True, f"{store.uri}: writes, reads and deletes")
    assert [entry.key for entry in Place(store.uri, store.settings).entries()] == ["raw/a"]


def test_nothing_is_made_before_the_first_start(tmp_path: Path) -> None:
    check = blobs(Settings(data_dir=tmp_path / "data"))
    assert check.ok
    assert check.detail.endswith("not made yet")
    assert not (tmp_path / "data" / "blobs").exists()


@pytest.mark.usefixtures("secrets")
def test_store_that_refuses(tmp_path: Path) -> None:
    with faults.answering(403) as port:
        check = blobs(
            Settings(data_dir=tmp_path, blobs={"uri": "s3://b"}, storage=options("s3", port))
        )
    assert not check.ok
    assert "access denied" in check.detail
    assert "Check the credentials" in check.hint


def test_credential_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_S3_ACCESS_KEY", raising=False)
    check = blobs(Settings(data_dir=tmp_path, blobs={"uri": "s3://b"}, storage=options("s3", 1)))
    assert (check.ok, check.detail) == (
        False,
        "The environment variable TEST_S3_ACCESS_KEY is not set, or empty.",
    )


def test_store_of_an_unknown_kind(tmp_path: Path) -> None:
    check = blobs(Settings(data_dir=tmp_path, blobs={"uri": "ftp://host/x"}))
    assert not check.ok
    assert "blobs.uri is wrong" in check.detail


def llm(settings: Settings) -> Check:
    (check,) = [check for check in examine(settings) if check.name == "language model"]
    return check


def test_providers_and_their_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"api_base": "http://one/v1", "models": ["m", "n"], "credential": "env:TEST_DOCTOR_KEY"}
    settings = Settings(data_dir=tmp_path, llm={"providers": {"one": one}})
    monkeypatch.setenv("TEST_DOCTOR_KEY", "TOPSECRET")
    assert llm(settings).detail == "m, n at http://one/v1"
    monkeypatch.delenv("TEST_DOCTOR_KEY")
    assert (llm(settings).ok, llm(settings).detail) == (
        False,
        "The environment variable TEST_DOCTOR_KEY is not set, or empty.",
    )
