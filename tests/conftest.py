"""What many tests share: a real ledger, a real model, a real Milvus Lite server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from smartypants import models
from smartypants.ledger.database import connect, migrate
from smartypants.processes import command_that_dies_with_us
from smartypants.vectorstores.milvus import MilvusVectorStore
from tests.ports import free_port
from tests.servers.postgres import PostgresServer, postgres_server
from tests.servers.redis import RedisServer, redis_server

pytest_plugins = ["pytester", "tests.emissions", "tests.servers.stores"]

HEAVY = (
    "tests/actors/",
    "tests/deployments/test_reranker.py",
    "tests/faults/",
    "tests/llms/test_vllm.py",
    "tests/test_e2e.py",
)

LONG = (
    "tests/api/chat/",
    "tests/benchmarks/",
    "tests/embedders/",
    "tests/hostile/",
    "tests/rerankers/",
    "tests/safety/",
    "tests/test_extracting.py",
    "tests/test_models.py",
    "tests/test_storage_secrets.py",
    "tests/vectorstores/",
)
"""Files that take longest but for the heavy ones: begun last, they would hold up the end."""

# How long an example or its making takes on a busy machine says nothing about the product.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(
        key=lambda item: (not item.nodeid.startswith(HEAVY), not item.nodeid.startswith(LONG))
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One worker runs all that starts Ray or vLLM: two at once would be too much for a small
    machine. The others take what is left, file by file."""
    from xdist.scheduler import LoadFileScheduling

    class OneHeavy(LoadFileScheduling):  # type: ignore[misc]  # untyped there
        def _split_scope(self, nodeid: str) -> str:
            return "heavy" if nodeid.startswith(HEAVY) else str(super()._split_scope(nodeid))

    # Else files come in the order of how many tests they have: the longest test of all, last.
    config.option.loadscopereorder = False
    return OneHeavy(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session, started by the first test that asks."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A Redis server of this test session, started by the first test that asks."""
    with redis_server(free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger without rows; migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    engine = connect(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_ledger(tmp_path: Path, migrated_sqlite: Path) -> str:
    """The URL of an empty ledger in SQLite."""
    shutil.copy(migrated_sqlite, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def postgresql_ledger(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty ledger in PostgreSQL."""
    with postgres.ledger() as url:
        yield url


@pytest.fixture(params=["sqlite_ledger", "postgresql_ledger"])
def either_ledger(request: pytest.FixtureRequest) -> str:
    """The URL of an empty ledger: a test that asks for it runs once in each database."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def engine(either_ledger: str) -> Iterator[Engine]:
    """An empty ledger, in each database."""
    engine = connect(either_ledger)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the packaged embedding model."""
    return models.resolve(MINILM, cache=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def smollm() -> Path:
    """The folder of the packaged language model."""
    # Outside pytest's own folder, since converting it takes longer than most tests.
    return models.resolve(SMOLLM, cache=Path(tempfile.gettempdir()) / "smartypants-test-models")


@pytest.fixture(scope="session")
def count_tokens(minilm: Path) -> Callable[[str], int]:
    """Tokens of a text by MiniLM's own tokenizer, special tokens left out."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))


def start_milvus(folder: Path, port: int) -> subprocess.Popen[bytes]:
    address = ["--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command = command_that_dies_with_us(sys.executable, "-m", "milvus_lite", "server", *address)
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def milvus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("milvus")


@pytest.fixture(scope="session")
def milvus_port(milvus_folder: Path) -> Iterator[int]:
    """A Milvus Lite server of this test session."""
    port = free_port()
    server = start_milvus(milvus_folder, port)
    MilvusVectorStore(uri=f"http://127.0.0.1:{port}", embedded=True).wait(60)
    yield port
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def milvus(milvus_port: int) -> MilvusVectorStore:
    return MilvusVectorStore(uri=f"http://127.0.0.1:{milvus_port}", embedded=True)
