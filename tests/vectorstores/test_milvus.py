"""The Milvus store against a real Milvus Lite server."""

from __future__ import annotations

import pickle
import signal
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from smartypants.attributes import Attributes
from smartypants.errors import FilterNotSupported, SetupError, VectorStoreUnavailable
from smartypants.testing import VectorStoreContract
from smartypants.types import Chunk, Filters
from smartypants.vectorstores._milvus_rows import ATTRIBUTES
from smartypants.vectorstores._milvus_schema import indexes, schema
from smartypants.vectorstores.milvus import MilvusVectorStore
from tests.conftest import start_milvus
from tests.ports import free_port

pytestmark = pytest.mark.integration

UNIT = np.eye(4, dtype=np.float32)


@pytest.fixture(scope="module")
def store(milvus: MilvusVectorStore) -> MilvusVectorStore:
    return milvus


class TestContract(VectorStoreContract):
    pass


def test_server_that_is_not_there() -> None:
    store = MilvusVectorStore(uri=f"http://127.0.0.1:{free_port()}", embedded=True)
    with pytest.raises(VectorStoreUnavailable) as caught:
        store.wait(0)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert "doctor" in copy.hint
    assert copy.retryable


def test_a_collection_that_somebody_else_is_making(
    milvus: MilvusVectorStore, milvus_folder: Path
) -> None:
    """Its folder is there, its schema is not yet."""
    milvus.create("first__model__v1", dimension=4)
    folders = milvus_folder / "collections"
    (folders / "second__model__v1").mkdir()

    def finish() -> None:
        time.sleep(0.3)
        made = (folders / "first__model__v1" / "schema.json").read_text()
        schema = made.replace("first__model__v1", "second__model__v1")
        (folders / "second__model__v1" / "schema.json").write_text(schema)

    other = threading.Thread(target=finish)
    other.start()
    milvus.create("second__model__v1", dimension=4)
    other.join()
    assert milvus.count("second__model__v1") == 0


def test_token_is_looked_up_where_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    store = MilvusVectorStore(uri=uri, token="env:TEST_MILVUS_TOKEN")
    with pytest.raises(SetupError, match="TEST_MILVUS_TOKEN is not set"):
        store.ping()
    monkeypatch.setenv("TEST_MILVUS_TOKEN", "root:Milvus-of-the-tests")
    with pytest.raises(VectorStoreUnavailable) as caught:
        store.ping()
    held = [repr(vars(one)) for one in (store, store.connection)]
    shown = [str(caught.value), *held, pickle.dumps(caught.value).decode("latin-1")]
    assert "Milvus-of-the-tests" not in "".join(shown)


def test_wrong_dimension_is_refused(milvus: MilvusVectorStore) -> None:
    milvus.create("narrow__model__v1", dimension=4)
    chunk = Chunk("d", "v", 0, "text", 0, 4)
    wide = np.ones((1, 8), dtype=np.float32)
    with pytest.raises(VectorStoreUnavailable, match="upsert on narrow__model__v1"):
        milvus.upsert("narrow__model__v1", [chunk], wide, acl_ids=[1], source_ids=["s"])
    assert milvus.count("narrow__model__v1") == 0
    milvus.drop("narrow__model__v1")


def test_logical_name_is_an_alias(milvus: MilvusVectorStore) -> None:
    milvus.create("handbook__model__v1", dimension=4)
    assert milvus.count("handbook") == 0
    milvus.drop("handbook__model__v1")
    assert not milvus.client.has_collection("handbook")


def test_flushed_chunks_survive_a_restart(tmp_path: Path) -> None:
    port = free_port()
    store = MilvusVectorStore(uri=f"http://127.0.0.1:{port}", embedded=True)
    server = start_milvus(tmp_path, port)
    try:
        store.wait(60)
        store.create("kept__model__v1", dimension=4)
        chunk = Chunk("d", "v", 0, "A badger.", 0, 9)
        store.upsert("kept__model__v1", [chunk], UNIT[:1], acl_ids=[1], source_ids=["s"])
        store.flush("kept__model__v1")
        server.send_signal(signal.SIGINT)
        server.wait()
        server = start_milvus(tmp_path, port)
        store = MilvusVectorStore(uri=f"http://127.0.0.1:{port}", embedded=True)
        store.wait(60)
        # The collection is on disk only: the first read has it loaded.
        found = store.lexical(
            "kept__model__v1", ["badgers"], limit=5, acl_ids=[1], filters=Filters()
        )
        assert [item.chunk for item in found[0]] == [chunk]
        assert store.count("kept__model__v1") == 1
    finally:
        server.kill()
        server.wait()


def test_exposed_generation_has_the_alias(milvus: MilvusVectorStore) -> None:
    name = f"c{uuid.uuid4().hex[:8]}"
    old, new = f"{name}__m__v1", f"{name}__m__v2"
    for physical in (old, new):
        milvus.create(physical, dimension=4)
    assert milvus.client.describe_alias(name)["collection_name"] == old
    for _ in range(2):
        milvus.expose(new)
        assert milvus.client.describe_alias(name)["collection_name"] == new
    milvus.drop(old)
    assert milvus.client.describe_alias(name)["collection_name"] == new
    milvus.drop(new)


def test_collection_of_before_takes_chunks_and_refuses_the_new_filters(
    milvus: MilvusVectorStore,
) -> None:
    client, physical = milvus.client, "before__model__v1"
    former = schema(client, 4)
    former.fields[:] = [field for field in former.fields if field.name not in ATTRIBUTES]
    made = indexes(client, embedded=True)
    made[:] = [item for item in made if item.field_name not in ATTRIBUTES]
    client.create_collection(physical, schema=former)
    client.create_index(physical, made, sync=False)
    client.load_collection(physical)
    chunk = Chunk("d", "v", 0, "A badger.", 0, 9)
    known = [Attributes("text/plain", " ann ", 5)]
    milvus.upsert(physical, [chunk], UNIT[:1], acl_ids=[1], source_ids=["s"], attributes=known)
    milvus.flush(physical)
    search = {"limit": 5, "acl_ids": [1]}
    assert milvus.lexical(physical, ["badger"], filters=Filters(("d",)), **search)[0]  # type: ignore[arg-type]
    assert [row.attributes for batch in milvus.scan(physical) for row in batch] == [None]
    for filters in (Filters(media_types=("text/plain",)), Filters(authors=("ann",)),
                    Filters(after=1), Filters(before=9)):  # fmt: skip
        with pytest.raises(FilterNotSupported, match=r"before__model__v1.*reindex"):
            milvus.lexical(physical, ["badger"], filters=filters, **search)  # type: ignore[arg-type]
        with pytest.raises(FilterNotSupported):
            milvus.dense(physical, UNIT[:1], filters=filters, **search)  # type: ignore[arg-type]
    milvus.drop(physical)
    milvus.create(physical, dimension=4)  # made anew under its name: nothing is remembered
    milvus.upsert(physical, [chunk], UNIT[:1], acl_ids=[1], source_ids=["s"], attributes=known)
    milvus.flush(physical)
    assert milvus.lexical(physical, ["badger"], filters=Filters(authors=("ann",)), **search)[0]  # type: ignore[arg-type]
    milvus.drop(physical)
