"""Documents that were uploaded over HTTP: their bytes wait in the blob store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from smartypants.errors import DocumentUnreadable, NotFound
from smartypants.protocols import BlobStore
from smartypants.types import (
    PUBLIC,
    DocumentRef,
    Relation,
    RelationKind,
    content_version,
    stable_id,
)

URI = "upload:"


class UploadsConnector:
    """The uploads of one collection. It has no listing: each upload announces itself."""

    def __init__(self, *, collection: str, blobs: BlobStore) -> None:
        self.uri = URI
        self.source_id = stable_id(collection, URI)
        self._blobs = blobs

    def document_id(self, name: str) -> str:
        """Of the upload of this name."""
        return stable_id(self.source_id, f"{URI}{name}")

    def accept(
        self,
        data: bytes,
        *,
        name: str,
        media_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        principals: tuple[str, ...] = (PUBLIC,),
        relations: Sequence[tuple[RelationKind, str]] = (),
    ) -> DocumentRef:
        """Keep the bytes of an upload; the same name replaces the document of that name.

        `relations` name other uploads.
        """
        ref = DocumentRef(
            source_id=self.source_id,
            uri=f"{URI}{name}",
            name=name,
            etag=content_version(data),
            size=len(data),
            media_type=media_type,
            metadata=metadata or {},
            principals=principals,
            relations=tuple(Relation(kind, f"{URI}{other}") for kind, other in relations),
        )
        self._blobs.put(_key(ref), data)
        return ref

    def discover(self) -> Iterator[DocumentRef]:
        return iter(())

    def fetch(self, ref: DocumentRef) -> bytes:
        """Raises `DocumentUnreadable` if the bytes are gone."""
        try:
            return self._blobs.get(_key(ref))
        except NotFound as exc:
            raise DocumentUnreadable(
                f"The uploaded bytes of {ref.name} are gone.", "Upload it again."
            ) from exc


def _key(ref: DocumentRef) -> str:
    return f"raw/{ref.document_id}/{ref.etag}"


PLUGIN = UploadsConnector
