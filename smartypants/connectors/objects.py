"""The objects below a URI: a bucket of S3, GCS or Azure Blob Storage, or a part of one."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from smartypants.connectors._names import indexable
from smartypants.errors import DocumentUnreadable, InvalidRequest, NotFound
from smartypants.media_types import by_name
from smartypants.options.storage import StorageSettings
from smartypants.storage import Place
from smartypants.types import DocumentRef, stable_id


class ObjectsConnector:
    """Lists what `FilesystemConnector` would: no hidden names, only known formats.

    `pyarrow.fs` tells no ETag, so the change marker is the time of writing and the size: an
    object that is replaced within the store's clock tick (a second in S3 and Azure) by one of
    the same size is not noticed.

    >>> connector = ObjectsConnector(collection="default", uri="s3://bucket/handbook")
    """

    def __init__(
        self, *, collection: str, uri: str, storage: StorageSettings | None = None
    ) -> None:
        self._place = Place(uri, storage or StorageSettings())
        self.uri = self._place.address.uri
        self.source_id = stable_id(collection, self.uri)

    def discover(self) -> Iterator[DocumentRef]:
        """Raises `InvalidRequest` if there is nothing, and what `Place` raises."""
        try:
            entries = self._place.entries()
        except NotFound as exc:
            raise InvalidRequest(f"{self.uri} can't be listed: {exc.message}", exc.hint) from exc
        for entry in entries:
            if entry.key and not indexable(entry.key):
                continue
            address = self._place.address.below(entry.key) if entry.key else self._place.address
            name = entry.key or address.path.rsplit("/", 1)[-1]
            yield DocumentRef(
                source_id=self.source_id,
                uri=address.uri,
                name=name,
                etag=f"{entry.mtime_ns}-{entry.size}",
                size=entry.size,
                media_type=by_name(name),
            )

    def fetch(self, ref: DocumentRef) -> bytes:
        """Raises `DocumentUnreadable` if the object has gone; other errors may pass."""
        try:
            return self._place.read(self._key(ref))
        except (NotFound, InvalidRequest) as exc:
            raise DocumentUnreadable(
                f"{ref.name} can't be read: {exc.message}", "Check that it is still there."
            ) from exc

    def _key(self, ref: DocumentRef) -> str:
        if ref.uri == self.uri:
            return ""
        if not ref.uri.startswith(f"{self.uri}/"):
            raise DocumentUnreadable(f"{ref.uri} is not below {self.uri}.")
        return unquote(ref.uri[len(self.uri) + 1 :], errors="surrogateescape")


PLUGIN = ObjectsConnector
