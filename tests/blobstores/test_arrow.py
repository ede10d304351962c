"""Blobs in a local folder and in each kind of bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.errors import SetupError, Unavailable
from smartypants.testing import BlobStoreContract
from tests.servers.stores import Store


@pytest.fixture
def blobs(tmp_path: Path) -> ArrowBlobStore:
    return ArrowBlobStore(uri=(tmp_path / "blobs").as_uri())


class TestContract(BlobStoreContract):
    pass


@pytest.mark.integration
class TestEveryStore(BlobStoreContract):
    @pytest.fixture
    def blobs(self, store: Store) -> ArrowBlobStore:
        return ArrowBlobStore(uri=store.uri, storage=store.settings)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "raw/../../x", "raw//x", "raw/./x", "raw/x/"])
def test_key_outside_the_root(blobs: ArrowBlobStore, key: str) -> None:
    for call in (blobs.get, blobs.delete, lambda key: blobs.put(key, b"")):
        with pytest.raises(ValueError, match="bad blob key"):
            call(key)


@pytest.mark.parametrize("uri", ["nothing", "ftp://host/x", "file//x", ""])
def test_uri_of_no_store(uri: str) -> None:
    with pytest.raises(SetupError, match=r"blobs\.uri"):
        ArrowBlobStore(uri=uri)


def test_nothing_half_written_is_left(blobs: ArrowBlobStore, tmp_path: Path) -> None:
    blobs.put("raw/a/v1", b"x" * 100)
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["v1"]


def test_store_that_fails(blobs: ArrowBlobStore, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="raw/a/v1 can't be written"):
        blobs.put("raw/a/v1", b"")
    with pytest.raises(Unavailable, match="raw/a/v1 can't be read"):
        blobs.get("raw/a/v1")


def test_folder_is_no_blob(blobs: ArrowBlobStore) -> None:
    blobs.put("raw/a/v1", b"1")
    with pytest.raises(Unavailable):
        blobs.get("raw/a")
