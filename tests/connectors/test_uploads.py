"""Uploads, whose bytes wait in the blob store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.connectors.uploads import UploadsConnector
from smartypants.errors import DocumentUnreadable
from smartypants.testing import HOSTILE_STRINGS, ConnectorContract
from smartypants.types import PUBLIC, DocumentRef


@pytest.fixture
def connector(tmp_path: Path) -> UploadsConnector:
    return UploadsConnector(collection="docs", blobs=ArrowBlobStore(uri=tmp_path.as_uri()))


@pytest.fixture
def known(connector: UploadsConnector) -> Sequence[tuple[DocumentRef, bytes]]:
    return [(connector.accept(data, name="a.md"), data) for data in (b"one", b"two", b"")]


class TestContract(ConnectorContract):
    pass


def test_same_name_replaces(connector: UploadsConnector) -> None:
    first = connector.accept(b"one", name="a.md")
    second = connector.accept(b"two", name="a.md")
    assert first.document_id == second.document_id
    assert first.etag != second.etag
    assert connector.accept(b"one", name="b.md").document_id != first.document_id


def test_keeps_what_the_uploader_says(connector: UploadsConnector) -> None:
    ref = connector.accept(
        b"x", name="a", media_type="text/html", metadata={"title": "T"}, principals=("user:ann",)
    )
    assert (ref.media_type, ref.metadata, ref.principals, ref.size) == (
        "text/html",
        {"title": "T"},
        ("user:ann",),
        1,
    )
    assert connector.accept(b"x", name="b").principals == (PUBLIC,)


@pytest.mark.parametrize("name", [*HOSTILE_STRINGS, "../../etc/passwd", "/etc/passwd"])
def test_hostile_names(connector: UploadsConnector, name: str, tmp_path: Path) -> None:
    ref = connector.accept(b"data", name=name)
    assert connector.fetch(ref) == b"data"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path).parts[0] for path in files] == ["raw"]


def test_bytes_that_are_gone(tmp_path: Path, connector: UploadsConnector) -> None:
    ref = connector.accept(b"data", name="a.md")
    ArrowBlobStore(uri=tmp_path.as_uri()).delete(f"raw/{ref.document_id}")
    with pytest.raises(DocumentUnreadable, match="Upload it again"):
        connector.fetch(ref)
