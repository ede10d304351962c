"""What any `BlobStore` does."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from smartypants.errors import NotFound
from smartypants.protocols import BlobStore


class BlobStoreContract:
    """What any `BlobStore` does. Give the fixture `blobs`."""

    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 20_000])
    def test_gives_back_what_was_put(self, blobs: BlobStore, data: bytes) -> None:
        blobs.put("raw/document/v1", data)
        assert blobs.get("raw/document/v1") == data

    def test_put_replaces(self, blobs: BlobStore) -> None:
        blobs.put("raw/a/v1", b"former, and longer")
        blobs.put("raw/a/v1", b"latter")
        assert blobs.get("raw/a/v1") == b"latter"

    def test_missing_key(self, blobs: BlobStore) -> None:
        with pytest.raises(NotFound) as caught:
            blobs.get("raw/nobody/v1")
        assert "raw/nobody/v1" in str(pickle.loads(pickle.dumps(caught.value)))

    def test_delete_removes_what_is_below(self, blobs: BlobStore) -> None:
        for key in ("raw/a/v1", "raw/a/v2", "raw/ab/v1", "text/a/v1"):
            blobs.put(key, key.encode())
        for _ in range(2):
            blobs.delete("raw/a")
            for key in ("raw/a/v1", "raw/a/v2"):
                with pytest.raises(NotFound):
                    blobs.get(key)
        assert [blobs.get(key) for key in ("raw/ab/v1", "text/a/v1")] == [
            b"raw/ab/v1",
            b"text/a/v1",
        ]

    def test_delete_of_one_key_and_put_again(self, blobs: BlobStore) -> None:
        blobs.put("raw/a/v1", b"1")
        blobs.put("raw/a/v2", b"2")
        blobs.delete("raw/a/v1")
        with pytest.raises(NotFound):
            blobs.get("raw/a/v1")
        assert blobs.get("raw/a/v2") == b"2"
        blobs.put("raw/a/v1", b"3")
        assert blobs.get("raw/a/v1") == b"3"

    def test_reader_sees_a_whole_value(self, blobs: BlobStore) -> None:
        values = [bytes([letter]) * 400_000 for letter in range(4)]
        blobs.put("raw/a/v1", values[0])
        with ThreadPoolExecutor(4) as pool:
            writes = [pool.submit(blobs.put, "raw/a/v1", value) for value in values * 5]
            while not all(write.done() for write in writes):
                assert blobs.get("raw/a/v1") in values
        assert all(write.exception() is None for write in writes)
