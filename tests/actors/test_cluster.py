"""Parts that only one machine can use are refused where there are several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.cluster import refuse_embedded_parts, refuse_several_machines, start
from smartypants import machine
from smartypants.errors import SetupError
from smartypants.settings import Settings
from smartypants.vectorstores.milvus import MilvusVectorStore

SHARED: dict[str, Any] = {
    "ray": {"address": "auto"},
    "ledger": {"url": "postgresql://role@ledger/db"},
    "vectors": {"uri": "http://milvus:19530"},
    "blobs": {"uri": "s3://bucket"},
}


def test_shared_parts_are_fine() -> None:
    refuse_embedded_parts(Settings(**SHARED))


@pytest.mark.parametrize(
    ("section", "value", "said"),
    [
        ("ledger", {}, "SQLite as the ledger"),
        ("ledger", {"url": "sqlite:////srv/ledger.db"}, "SQLite as the ledger"),
        ("ledger", {"url": "SQLite+pysqlite:////srv/ledger.db"}, "SQLite as the ledger"),
        ("vectors", {}, "Milvus Lite"),
        ("vectors", {"uri": "./milvus.db"}, "Milvus Lite"),
        ("vectors", {"uri": "file:///srv/milvus.db"}, "Milvus Lite"),
        ("blobs", {}, "a local folder for blobs"),
    ],
)
def test_embedded_parts_are_refused(section: str, value: dict[str, str], said: str) -> None:
    settings = Settings(**SHARED | {section: value})
    with pytest.raises(SetupError, match=said):
        refuse_embedded_parts(settings)
    with pytest.raises(SetupError, match=said):
        start(settings)  # before anything is joined


def test_all_are_named_at_once() -> None:
    with pytest.raises(SetupError, match=r"SQLite.*Milvus Lite.*blobs"):
        refuse_embedded_parts(Settings(ray={"address": "auto"}))


def test_machines_that_joined_later() -> None:
    refuse_several_machines(Settings(), {"one"})
    refuse_several_machines(Settings(**SHARED), {"one", "two"})
    with pytest.raises(SetupError, match=r"one, two can't share SQLite.*Milvus Lite.*blobs"):
        refuse_several_machines(Settings(), {"two", "one"})


def test_a_folder_for_blobs_is_marked(tmp_path: Path) -> None:
    settings = Settings(**SHARED | {"blobs": {"uri": tmp_path.as_uri()}})
    with pytest.raises(SetupError):
        machine.check_shared(tmp_path, settings.machine)
    refuse_embedded_parts(settings)
    machine.check_shared(tmp_path, settings.machine)


@pytest.mark.parametrize("uri", ["milvus.db", "./milvus.db", "/srv/milvus.db", "file:///m.db", ""])
def test_milvus_lite_files_are_refused_everywhere(uri: str) -> None:
    with pytest.raises(SetupError, match="not a Milvus server"):
        MilvusVectorStore(uri=uri)
