"""What is below a URI, in each kind of store."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import pytest

from smartypants.connectors.objects import ObjectsConnector
from smartypants.errors import (
    DocumentUnreadable,
    InvalidRequest,
    PluginNotFound,
    SetupError,
    SmartyPantsError,
    StorageDenied,
    StorageUnavailable,
)
from smartypants.options.storage import StorageSettings
from smartypants.storage import Place
from smartypants.testing import ConnectorContract
from smartypants.types import DocumentRef
from tests.servers import faults
from tests.servers.stores import Store, options, remote

pytestmark = pytest.mark.integration

NAMES = ["a.md", "b c.txt", "deep/er/d.pdf", "deep/ü#?%41+&.html", "deep.md"]
OTHERS = ["x.exe", ".hidden.md", "deep/.cache/x.md"]


@pytest.fixture(scope="module")
def shelves() -> dict[str, Store]:
    """The filled place in each kind of store; no test changes them."""
    return {}


@pytest.fixture
def filled(store: Store, shelves: dict[str, Store]) -> Store:
    scheme = store.uri.partition("://")[0]
    if scheme not in shelves:
        place = Place(store.uri, store.settings)
        for name in [*NAMES, *OTHERS]:
            place.write(name, name.encode() * 3)
        shelves[scheme] = store
    return shelves[scheme]


@pytest.fixture
def connector(filled: Store) -> ObjectsConnector:
    return ObjectsConnector(collection="docs", uri=filled.uri, storage=filled.settings)


@pytest.fixture
def known(connector: ObjectsConnector) -> Sequence[tuple[DocumentRef, bytes]]:
    return [(ref, ref.name.encode() * 3) for ref in connector.discover()]


class TestContract(ConnectorContract):
    pass


def test_lists_known_formats_in_order_with_whole_uris(
    connector: ObjectsConnector, filled: Store
) -> None:
    refs = list(connector.discover())
    assert [ref.name for ref in refs] == sorted(NAMES)
    assert refs[0].uri == f"{filled.uri}/a.md"
    assert {ref.media_type for ref in refs if ref.name.endswith(".md")} == {"text/markdown"}


def test_copy_of_a_worker_reads_the_same(connector: ObjectsConnector) -> None:
    copy = pickle.loads(pickle.dumps(connector))
    assert copy.source_id == connector.source_id
    assert list(copy.discover()) == list(connector.discover())


def test_one_object_whatever_its_name(store: Store) -> None:
    Place(store.uri, store.settings).write(".notes", b"x")
    uri = f"{store.uri}/.notes"
    connector = ObjectsConnector(collection="docs", uri=uri, storage=store.settings)
    (ref,) = connector.discover()
    assert (ref.name, ref.uri, ref.size, ref.media_type) == (".notes", uri, 1, None)
    assert connector.fetch(ref) == b"x"


def test_neighbours_with_the_same_beginning_are_not_below(store: Store) -> None:
    place = Place(store.uri, store.settings)
    place.write("docs/a.md", b"a")
    place.write("docs-old/b.md", b"b")
    uri = f"{store.uri}/docs/"
    connector = ObjectsConnector(collection="docs", uri=uri, storage=store.settings)
    assert [ref.name for ref in connector.discover()] == ["a.md"]


def test_etag_follows_the_object(store: Store) -> None:
    place = Place(store.uri, store.settings)
    for name in ("a.md", "b.md"):
        place.write(name, b"short")
    connector = ObjectsConnector(collection="docs", uri=store.uri, storage=store.settings)
    before = {ref.name: ref.etag for ref in connector.discover()}
    place.write("a.md", b"longer than it was")
    after = {ref.name: ref.etag for ref in connector.discover()}
    assert {name for name in before if before[name] != after[name]} == {"a.md"}


@pytest.mark.parametrize("place", ["nothing", "a.m"])
def test_nothing_below_is_no_empty_listing(filled: Store, place: str) -> None:
    uri = f"{filled.uri}/{place}"
    connector = ObjectsConnector(collection="docs", uri=uri, storage=filled.settings)
    with pytest.raises(InvalidRequest, match="can't be listed"):
        list(connector.discover())


def test_bucket_that_is_missing(bucket: Store) -> None:
    scheme = bucket.uri.partition("://")[0]
    connector = ObjectsConnector(
        collection="docs", uri=f"{scheme}://no-such-bucket/x", storage=bucket.settings
    )
    with pytest.raises(InvalidRequest, match="can't be listed"):
        list(connector.discover())


def test_object_that_has_gone(store: Store) -> None:
    place = Place(store.uri, store.settings)
    for name in ("a.md", "b.md"):
        place.write(name, b"x")
    connector = ObjectsConnector(collection="docs", uri=store.uri, storage=store.settings)
    ref = next(iter(connector.discover()))
    place.delete("a.md")
    with pytest.raises(DocumentUnreadable, match=r"a\.md can't be read"):
        connector.fetch(ref)


def test_document_of_another_source(connector: ObjectsConnector) -> None:
    ref = DocumentRef(connector.source_id, "s3://elsewhere/a.md", "a.md", "1-1", 1)
    with pytest.raises(DocumentUnreadable, match="not below"):
        connector.fetch(ref)


FAULTS: dict[str, tuple[Callable[[], AbstractContextManager[int]], type[SmartyPantsError]]] = {
    "absent": (faults.absent, StorageUnavailable),
    "silent": (faults.silent, StorageUnavailable),
    "failing": (lambda: faults.answering(503), StorageUnavailable),
    "denying": (lambda: faults.answering(403), StorageDenied),
}


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_store_at_fault(scheme: str, fault: str) -> None:
    start, error = FAULTS[fault]
    uri = f"{scheme}://bucket/docs"
    with start() as port:
        patience = 1.5 if error is StorageUnavailable else 30.0  # a refusal is an answer
        limits = {"timeout_s": patience, "listing_timeout_s": patience}
        settings = StorageSettings.model_validate(options(scheme, port, **limits))
        connector = ObjectsConnector(collection="docs", uri=uri, storage=settings)
        with pytest.raises(error):
            list(connector.discover())
        ref = DocumentRef(connector.source_id, f"{uri}/a.md", "a.md", "1-1", 1)
        with pytest.raises(error, match=r"docs/a\.md can't be read"):
            connector.fetch(ref)


@pytest.mark.usefixtures("s3_denies")
def test_credentials_that_are_wrong(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scheme, variable in (("s3", "TEST_S3_SECRET_KEY"), ("abfs", "TEST_AZURE_KEY")):
        store = remote(request, scheme)
        monkeypatch.setenv(variable, "d3JvbmctYnV0LWJhc2U2NA==")
        connector = ObjectsConnector(collection="docs", uri=store.uri, storage=store.settings)
        with pytest.raises(StorageDenied, match="Check the credentials"):
            list(connector.discover())


def test_credential_that_is_not_there(bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEST_S3_SECRET_KEY", "TEST_GCS_TOKEN", "TEST_AZURE_KEY"):
        monkeypatch.delenv(name)
    connector = ObjectsConnector(collection="docs", uri=bucket.uri, storage=bucket.settings)
    with pytest.raises(SetupError, match=r"variable TEST_\w+ is not set"):
        list(connector.discover())


@pytest.mark.parametrize(
    "uri", ["s3://key:TOPSECRET@bucket/x", "s3://bucket/x?secret_key=TOPSECRET"]
)
def test_uri_that_carries_credentials(uri: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ObjectsConnector(collection="docs", uri=uri)
    assert "TOPSECRET" not in str(caught.value)


def test_scheme_of_no_store() -> None:
    with pytest.raises(PluginNotFound, match="abfs, file, gs, s3"):
        ObjectsConnector(collection="docs", uri="ftp://host/x")
