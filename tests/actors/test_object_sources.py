"""The ingest program between buckets: workers look up the secrets that settings only name."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from actors.ingest import IngestRequest, ingest
from actors.sharing import SharedPipeline
from actors.work import SourceSpec
from smartypants import wiring
from smartypants.ledger import acls, documents
from smartypants.progress import Progress
from smartypants.settings import Settings
from smartypants.storage import Place
from tests.actors.conftest import Watcher
from tests.servers.stores import SECRETS, options

pytestmark = [pytest.mark.ray, pytest.mark.integration, pytest.mark.timeout(900)]


def test_from_s3_with_blobs_in_azure(
    installed: Settings, s3_port: int, abfs_port: int, tmp_path: Path
) -> None:
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret)

    def reference(name: str) -> str:
        return f"file:{tmp_path / name}"

    s3 = {
        "access_key": reference("TEST_S3_ACCESS_KEY"),
        "secret_key": reference("TEST_S3_SECRET_KEY"),
    }
    azure = options("abfs", abfs_port, account_key=reference("TEST_AZURE_KEY"))
    run = f"run{uuid.uuid4().hex}"  # a collection too: a letter first
    settings = Settings(
        data_dir=installed.data_dir,
        vectors=installed.vectors,
        blobs={"uri": f"abfs://bucket/{run}"},  # type: ignore[arg-type]
        storage=options("s3", s3_port, **s3) | azure,  # type: ignore[arg-type]
    )
    uri = f"s3://bucket/{run}"
    bucket = Place(uri, settings.storage)
    bucket.write("deep/ferry 1.md", b"# Ferry\n\nThe ferry leaves at nine.")
    bucket.write("mill.txt", b"The windmill is old.")
    bucket.write("photo.jpg", b"\xff\xd8\xff")
    with SharedPipeline(settings) as pipeline:
        engine = wiring.open_ledger(settings)

        def index() -> Progress:
            request = IngestRequest(uuid.uuid4().hex, SourceSpec("objects", run, uri), True)
            progress = Progress()
            ingest(request, settings, engine, pipeline, Watcher(), progress)
            return progress

        first = index()
        assert (first.indexed, first.failed) == (2, 0)
        everybody = acls.allowed_acl_ids(engine, [])
        rows = documents.page(engine, collection=run, acl_ids=everybody, limit=10)
        assert {row.uri for row in rows} == {f"{uri}/deep/ferry%201.md", f"{uri}/mill.txt"}
        blobs = wiring.open_blobs(settings)
        (mill,) = [row for row in rows if row.name == "mill.txt"]
        assert blobs.get(f"raw/{mill.id}/{mill.indexed_version}") == b"The windmill is old."

        bucket.delete("mill.txt")
        second = index()
        assert (second.indexed, second.unchanged, second.deleted) == (0, 1, 1)
        left = [
            entry.key.split("/")[0]
            for entry in Place(f"abfs://bucket/{run}", settings.storage).entries()
        ]
        assert sorted(left) == ["raw", "text", "text"]  # the text, and what was found besides
