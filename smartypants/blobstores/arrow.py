"""Blobs below a URI, through `pyarrow.fs`: a local folder, or a bucket."""

from __future__ import annotations

from smartypants.errors import InvalidRequest, PluginNotFound, SetupError
from smartypants.options.storage import StorageSettings
from smartypants.storage import Place


class ArrowBlobStore:
    """Keeps each key as one file or object below the URI.

    >>> blobs = ArrowBlobStore(uri="file:///var/lib/smartypants/blobs")
    >>> blobs.put("raw/1f…/v1", b"…")
    """

    def __init__(self, *, uri: str, storage: StorageSettings | None = None) -> None:
        try:
            self._place = Place(uri, storage or StorageSettings())
        except (InvalidRequest, PluginNotFound) as exc:
            raise SetupError(f"blobs.uri is wrong: {exc.message}", exc.hint) from exc

    def put(self, key: str, data: bytes) -> None:
        self._place.write(_checked(key), data)

    def get(self, key: str) -> bytes:
        return self._place.read(_checked(key))

    def delete(self, prefix: str) -> None:
        self._place.delete(_checked(prefix))


def _checked(key: str) -> str:
    if not key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(f"bad blob key {key!r}")
    return key


PLUGIN = ArrowBlobStore
