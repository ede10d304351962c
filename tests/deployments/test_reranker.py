"""The deployment in a real Serve: what comes in while a batch is computed is the next batch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray import serve

from actors import cluster
from deployments.reranker import RerankerServer
from smartypants.errors import SetupError
from smartypants.options.answering import RerankerSettings
from smartypants.settings import Settings
from tests.plugins import install

PLUGIN = '''
import time


class Noting:
    """Scores a passage by its length; notes how many pairs it is asked for at once."""

    def __init__(self, *, path, model, **_):
        self.model, self._notes = model, path + "/batches.txt"

    def scores(self, query, passages):
        return self.pair_scores([(query, passage) for passage in passages])

    def pair_scores(self, pairs):
        time.sleep(0.2)
        with open(self._notes, "a") as file:
            file.write(f"{len(pairs)}\\n")
        return [float(len(query) + len(passage)) for query, passage in pairs]
'''


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """Whose event loop the handles live in, until Serve has ended."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def settings(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Settings]:
    """A Serve whose workers know a plugin `noting`."""
    (tmp_path / "plugins").mkdir()
    entry = "[smartypants.rerankers]\nnoting = acme_plugins:Noting\n"
    install(tmp_path / "plugins", PLUGIN, entry)
    (tmp_path / "config.json").write_text("{}")
    root = Path(__file__).parents[2]
    path = f"{tmp_path / 'plugins'}:{root}"
    environment = {"env_vars": {"PYTHONPATH": path}}
    cluster.init_local(num_cpus=2, include_dashboard=False, runtime_env=environment)
    serve.start(proxy_location="Disabled")  # another test may have its ports
    chosen = RerankerSettings(kind="noting", model=str(tmp_path), max_batch_requests=4)
    yield Settings(data_dir=tmp_path, reranker=chosen)

    async def end() -> None:
        await serve.shutdown_async()

    runner.run(end())
    ray.shutdown()


@pytest.mark.ray
def test_requests_share_a_batch(settings: Settings, tmp_path: Path, runner: asyncio.Runner) -> None:
    deployment = serve.deployment(RerankerServer, max_ongoing_requests=64)
    handle = serve.run(deployment.bind(settings), name="reranker", route_prefix=None)
    requests = [(f"question {number}", ["fish"] * (number + 1)) for number in range(10)]

    async def ask() -> list[list[float]]:
        return list(await asyncio.gather(*(handle.scores.remote(*each) for each in requests)))

    scores = runner.run(ask())
    assert scores == [[float(len(query) + 4)] * len(passages) for query, passages in requests]
    warm_up, *batches = [int(line) for line in (tmp_path / "batches.txt").read_text().split()]
    assert warm_up == 1
    assert sum(batches) == sum(len(passages) for _, passages in requests)
    assert 3 <= len(batches) <= 6  # ten requests, four at a time at most


def test_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"reranker\.model"):
        RerankerServer(Settings(data_dir=tmp_path))
