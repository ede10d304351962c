"""Real object stores for a test session, on loopback: moto (S3), a GCS emulator, Azurite."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import fs

from smartypants.options.storage import StorageSettings
from smartypants.processes import command_that_dies_with_us
from tests.canaries import canary

START_TIMEOUT_S = 60.0
AZURITE = Path(__file__).parent / "node_modules/azurite/dist/src/blob/main.js"
BUCKET = "bucket"
ACCOUNT = "tester"
SECRETS = {
    "TEST_S3_ACCESS_KEY": canary(f"AK{uuid.uuid4().hex}"),
    "TEST_S3_SECRET_KEY": canary(uuid.uuid4().hex),
    "TEST_AZURE_KEY": canary(base64.b64encode(os.urandom(48)).decode()),
    "TEST_GCS_TOKEN": canary(uuid.uuid4().hex),
}


@dataclass(frozen=True, slots=True)
class Store:
    """An empty place in a running store; `settings` names the secrets that are in SECRETS."""

    uri: str
    settings: StorageSettings


def options(scheme: str, port: int, **more: Any) -> dict[str, Any]:
    """The section of `settings.storage` for an emulator, or for what stands in for it."""
    endpoint = {"endpoint": f"http://127.0.0.1:{port}"}
    own: dict[str, Any] = {
        "s3": {"access_key": "env:TEST_S3_ACCESS_KEY", "secret_key": "env:TEST_S3_SECRET_KEY"},
        "gs": {"access_token": "env:TEST_GCS_TOKEN"},
        "abfs": {"account": ACCOUNT, "account_key": "env:TEST_AZURE_KEY"},
    }[scheme]
    return {scheme: {**endpoint, **own, **more}}


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    script = shutil.which("moto_server", path=str(Path(sys.executable).parent))
    assert script, "moto_server is not installed: run `make install`"
    log = tmp_path_factory.mktemp("moto") / "log"
    with _server(log, lambda port: [script, "-H", "127.0.0.1", "-p", str(port)]) as port:
        fs.S3FileSystem(
            access_key=SECRETS["TEST_S3_ACCESS_KEY"],
            secret_key=SECRETS["TEST_S3_SECRET_KEY"],
            region="us-east-1",
            endpoint_override=f"127.0.0.1:{port}",
            scheme="http",
            allow_bucket_creation=True,
            request_timeout=60,  # the machine may be busy
        ).create_dir(BUCKET)
        yield port


@pytest.fixture
def s3_denies(s3_port: int) -> Iterator[None]:
    """The S3 server checks keys now, and knows none."""
    url = f"http://127.0.0.1:{s3_port}/moto-api/reset-auth"
    httpx.post(url, content="0").raise_for_status()
    yield
    httpx.post(url, content="inf").raise_for_status()


@pytest.fixture(scope="session")
def gs_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    script = shutil.which("gcp-storage-emulator", path=str(Path(sys.executable).parent))
    assert script, "gcp-storage-emulator is not installed: run `make install`"
    log = tmp_path_factory.mktemp("gcs") / "log"

    def command(port: int) -> list[str]:
        return [script, "start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]

    with _server(log, command) as port:
        fs.GcsFileSystem(
            anonymous=True, scheme="http", endpoint_override=f"127.0.0.1:{port}", project_id="test"
        ).create_dir(BUCKET)
        yield port


@pytest.fixture(scope="session")
def abfs_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    node = shutil.which("node")
    assert node, "Azurite needs Node.js: install node and npm, then run `make servers`"
    assert AZURITE.exists(), "Azurite is not installed: run `make servers` (it needs npm)"
    folder = tmp_path_factory.mktemp("azurite")

    def command(port: int) -> list[str]:
        address = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        flags = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        return [node, str(AZURITE), *address, *flags]

    accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{SECRETS['TEST_AZURE_KEY']}"}
    with _server(folder / "log", command, accounts) as port:
        address = f"127.0.0.1:{port}"
        fs.AzureFileSystem(
            ACCOUNT,
            account_key=SECRETS["TEST_AZURE_KEY"],
            blob_storage_authority=address,
            dfs_storage_authority=address,
            blob_storage_scheme="http",
            dfs_storage_scheme="http",
        ).create_dir(BUCKET)
        yield port


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The secrets, in the environment."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return SECRETS


@pytest.fixture(params=["file", "s3", "gs", "abfs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty place in each kind of store in turn."""
    if request.param == "file":
        return Store((tmp_path / "store").as_uri(), StorageSettings())
    return remote(request, request.param)


@pytest.fixture(params=["s3", "gs", "abfs"])
def bucket(request: pytest.FixtureRequest) -> Store:
    """An empty place in each kind of object store in turn."""
    return remote(request, request.param)


def remote(request: pytest.FixtureRequest, scheme: str) -> Store:
    request.getfixturevalue("secrets")
    port = request.getfixturevalue(f"{scheme}_port")
    uri = f"{scheme}://{BUCKET}/{uuid.uuid4().hex}"
    return Store(uri, StorageSettings.model_validate(options(scheme, port)))


@contextmanager
def _server(
    log: Path, command: Callable[[int], list[str]], environment: dict[str, str] | None = None
) -> Iterator[int]:
    """Start `command(port)` on a free port, wait until it listens, and kill it in the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command_that_dies_with_us(*command(port)),
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, f"the server ended: {log.read_text()}"
            assert time.monotonic() < deadline, f"no answer on port {port}: {log.read_text()}"
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()
