"""How the ingest program scales over embedding workers on a simulated cluster of Ray nodes.

`ray.cluster_utils.Cluster` starts one Ray node for each worker on this machine (its own raylet
and object store), besides a head for everything else. Two cores can't run eight models, so a
stand-in takes the model's place (`embedder.kind: fixed_cost`): it sleeps a fixed time a call,
as a CPU does while a GPU works. Everything else is the real program: discovery, parsing,
chunking, the ledger, the cache lookups, Milvus, commits.

Each worker gets the same number of documents (weak scaling). Throughput is chunks over the time
from the first commit to the last; efficiency@N is throughput at N over N times that at 1. What
keeps it below 1 is what the workers share: the driver, the reader, the writer, the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from rich.table import Table

from actors.cluster import ENVIRONMENT
from actors.vectordb import start_vector_server
from benchmarks import _common, ingest
from benchmarks._common import Figures
from benchmarks.ingest import Run
from smartypants import wiring
from smartypants.ledger.database import migrate
from smartypants.settings import Settings

WORKERS, QUICK_WORKERS = (1, 2, 4, 8), (1, 2)
DOCUMENTS, QUICK_DOCUMENTS = 800, 400
"""For each worker."""
BATCH_CHUNKS = 64
SECONDS_A_CALL = 5.0


def main() -> None:
    parser = _common.arguments("scaling", __doc__)
    options = parser.parse_args()
    runs: dict[int, Run] = {}
    for workers in QUICK_WORKERS if options.quick else WORKERS:
        with _common.data_dir(None) as folder:
            documents = (QUICK_DOCUMENTS if options.quick else DOCUMENTS) * workers
            corpus = folder / "documents"
            _write(corpus, documents)
            settings = _settings(folder / "site", workers)
            with simulated_cluster(settings, workers):
                runs[workers] = ingest.run_pipeline(settings, corpus)
        _common.say(f"{workers} workers: {throughput(runs[workers]):.1f} chunks/s")
    figures = summary(runs)
    _common.show(_table(runs, figures))
    _common.write_json(options.json, figures)


def _settings(folder: Path, workers: int) -> Settings:
    return _common.own_settings(
        folder,
        embedder={"kind": "fixed_cost", "options": {"seconds": SECONDS_A_CALL}},
        ingest={"embed_workers": workers, "batch_chunks": BATCH_CHUNKS, "cache_rows": 0},
    )


def _write(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        text = f"# Log {number}\n\nAt hour {number} the keeper noted wind {number % 12}, sea calm."
        (folder / f"{number:06}.md").write_text(text)


@contextmanager
def simulated_cluster(settings: Settings, workers: int) -> Iterator[None]:
    """A head for the driver, the reader and the writer, and one node for each worker."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    head = {"num_cpus": 2, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(workers):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        migrate(wiring.open_ledger(settings))
        server = start_vector_server(settings)
        yield
        if server is not None:
            ray.get(server.stop.remote(), timeout=30)
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def throughput(run: Run) -> float:
    """Chunks a second between the first commit and the last."""
    (first, before), (last, chunks) = run.commits[0], run.commits[-1]
    return (chunks - before) / (last - first)


def summary(runs: dict[int, Run]) -> Figures:
    figures: Figures = {}
    base = throughput(runs[min(runs)]) / min(runs)
    for workers, run in runs.items():
        figures[f"scaling.chunks_per_s@{workers}"] = throughput(run)
        figures[f"scaling.efficiency@{workers}"] = throughput(run) / workers / base
    return figures


def _table(runs: dict[int, Run], figures: Figures) -> Table:
    table = Table(
        "workers", "documents", "chunks/s", "ideal", "efficiency",
        title=f"Scaling: {BATCH_CHUNKS} chunks a call of {SECONDS_A_CALL:g} s",
    )  # fmt: skip
    ideal = BATCH_CHUNKS / SECONDS_A_CALL
    for workers in runs:
        table.add_row(
            str(workers),
            str(runs[workers].progress.indexed),
            f"{figures[f'scaling.chunks_per_s@{workers}']:.1f}",
            f"{ideal * workers:.1f}",
            f"{figures[f'scaling.efficiency@{workers}']:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
