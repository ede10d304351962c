"""Places, in each kind of store."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from smartypants import storage
from smartypants.errors import InvalidRequest, NotFound, PluginNotFound, StorageUnavailable
from smartypants.options.storage import StorageSettings
from smartypants.storage import Place
from tests.plugins import install
from tests.servers import faults
from tests.servers.stores import Store, options, remote


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("docs", ("filesystem", "docs")),
        ("/srv/docs", ("filesystem", "/srv/docs")),
        ("file:///srv/a%20b/", ("filesystem", "/srv/a b")),
        ("S3://bucket/docs/", ("objects", "s3://bucket/docs")),
        ("az://container", ("objects", "az://container")),
    ],
)
def test_source(text: str, chosen: tuple[str, str]) -> None:
    assert storage.source(text) == chosen


def test_source_that_is_none() -> None:
    with pytest.raises(PluginNotFound, match="abfs, file, gs, s3"):
        storage.source("ftp://host/x")
    with pytest.raises(InvalidRequest, match="carries credentials"):
        storage.source("s3://key:TOPSECRET@bucket")


@pytest.mark.integration
def test_place_travels_unopened(store: Store) -> None:
    place = Place(store.uri, store.settings)
    place.write("a", b"1")
    copy = pickle.loads(pickle.dumps(place))
    assert copy.read("a") == b"1"
    assert repr(copy) == repr(place) == f"Place({store.uri!r})"


@pytest.mark.integration
@pytest.mark.parametrize("scheme", ["s3", "gs"])  # Azure's client allows no such names
def test_object_and_prefix_of_one_name(request: pytest.FixtureRequest, scheme: str) -> None:
    bucket = remote(request, scheme)
    place = Place(bucket.uri, bucket.settings)
    for key in ("a", "a/b", "ab"):
        place.write(key, key.encode())
    place.delete("a")
    assert [entry.key for entry in place.entries()] == ["ab"]


@pytest.mark.integration
def test_nothing_but_the_object_is_left(store: Store) -> None:
    place = Place(store.uri, store.settings)
    place.write("a/b", bytes(9 * 2**20))
    assert [(entry.key, entry.size) for entry in place.entries()] == [("a/b", 9 * 2**20)]


@pytest.mark.integration
@pytest.mark.parametrize("key", ["a//b", "/a"])
def test_key_that_the_client_refuses(bucket: Store, key: str) -> None:
    with pytest.raises((InvalidRequest, NotFound)):
        Place(bucket.uri, bucket.settings).read(key)


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_write_and_delete_end_where_nobody_answers(scheme: str) -> None:
    with faults.silent() as port:
        settings = StorageSettings.model_validate(options(scheme, port, timeout_s=1.5))
        place = Place(f"{scheme}://bucket/x", settings)
        with pytest.raises(StorageUnavailable, match="x/a can't be written"):
            place.write("a", b"1")
        with pytest.raises(StorageUnavailable, match="x/a can't be deleted"):
            place.delete("a")


ACME = """
from pyarrow.fs import LocalFileSystem

class Acme:
    commit = "move"

    def __init__(self, *, folder, token):
        assert token == "resolved"
        self.folder = folder

    def open(self, authority, path):
        return LocalFileSystem(), f"{self.folder}/{authority}/{path}"
"""


def test_store_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, ACME, "[smartypants.storages]\nacme = acme_plugins:Acme\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("TEST_ACME", "resolved")
    settings = StorageSettings(
        plugins={"acme": {"folder": str(tmp_path), "token": "env:TEST_ACME"}}
    )
    try:
        Place("acme://shelf/docs", settings).write("a", b"1")
    finally:
        sys.modules.pop("acme_plugins", None)
    assert (tmp_path / "shelf" / "docs" / "a").read_bytes() == b"1"
