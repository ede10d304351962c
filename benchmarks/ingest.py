"""Chunks a second of the ingest program, beside plain `SentenceTransformer.encode`.

The same chunks go through both, one after the other: encode, pipeline, then (not with --quick)
pipeline, encode. Each runs in fresh processes with the same number of torch threads.

- encode: `SentenceTransformer(model).encode(texts)` with its defaults, all texts in one call,
  after a warm-up; loading the model is not counted.
- pipeline: `actors.ingest.ingest`, from discovery to the last commit, on a Ray, a vector server
  and a pipeline that are warm: they have indexed a few other documents. That is how a system
  that is up meets a job, and encode's model is loaded too. The embedding cache is empty.
- cold: the same, with starting the pipeline's actors and loading the model in them counted.

With `--growth` it measures memory instead: the peak while 1 and 10 times as many documents are
indexed. Peak memory is the sum of the resident sizes of this process and all below it (Ray, the
vector server, workers), sampled during the pipeline; pages that they share count for each.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from rich.table import Table
from sqlalchemy import Engine

from actors.ingest import IngestRequest, ingest
from actors.sharing import SharedPipeline
from actors.stages import ReadDocuments
from actors.work import SourceSpec, Work, row
from benchmarks import _beir, _common
from benchmarks._common import Figures
from deployments.local import stores
from smartypants import ingest_wiring, wiring
from smartypants.ledger import jobs
from smartypants.progress import Progress
from smartypants.settings import Settings

DOCUMENTS, QUICK_DOCUMENTS = 1_500, 200
SAMPLE_S = 0.25
WARM_UP_DOCUMENTS = 8
GROWTH_DOCUMENTS, QUICK_GROWTH_DOCUMENTS = 500, 60


@dataclass(slots=True)
class Run:
    """One run of the pipeline; `report` notes when commits happened."""

    started: float = field(default_factory=time.perf_counter)
    commits: list[tuple[float, int]] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    peak_rss: float = 0.0
    cold_s: float = 0.0
    """What a few documents took before, with everything to start."""

    def advanced(self) -> None:
        """Part of `Watch`."""

    def listed(self) -> None:
        """Part of `Watch`."""

    def report(self, progress: Progress) -> None:
        if progress.chunks > (self.commits[-1][1] if self.commits else 0):
            self.commits.append((time.perf_counter(), progress.chunks))

    @property
    def seconds(self) -> float:
        return self.commits[-1][0] - self.started


def main() -> None:
    parser = _common.arguments("ingest", __doc__)
    parser.add_argument("path", type=Path, nargs="?", help="a folder to ingest; default: scifact")
    parser.add_argument("--growth", action="store_true", help="peak memory at 1 and 10 times")
    options = parser.parse_args()
    if options.path is None and not (_common.DATA / "scifact").exists():
        parser.error(f"there is no {_common.DATA / 'scifact'}; name a folder to ingest")
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(data_dir)
        if options.growth:
            count = QUICK_GROWTH_DOCUMENTS if options.quick else GROWTH_DOCUMENTS
            figures, table = growth(settings, count)
        else:
            count = QUICK_DOCUMENTS if options.quick else DOCUMENTS
            folder = options.path or _scifact(settings, count)
            figures, table = speed(settings, folder.absolute(), both=not options.quick)
    _common.show(table)
    _common.write_json(options.json, figures)


def speed(settings: Settings, folder: Path, *, both: bool) -> tuple[Figures, Table]:
    """Encode, pipeline; and with `both` once more in the other order."""
    texts = _common.alone(chunk_texts, settings, folder)
    encoded = [_common.alone(encode_seconds, settings, texts)]
    runs = [pipeline(settings, folder)]
    if both:
        runs.append(pipeline(settings, folder))
        encoded.append(_common.alone(encode_seconds, settings, texts))
    figures = summary(len(texts), encoded, runs)
    return figures, _table(figures, runs, len(texts))


def growth(settings: Settings, count: int) -> tuple[Figures, Table]:
    """Peak memory of everything while `count` and ten times as many documents are indexed."""
    figures: Figures = {}
    table = Table("documents", "chunks", "peak memory MiB", "chunks/s", title="Growth")
    for times in (1, 10):
        run = pipeline(settings, _scifact(settings, times * count))
        figures[f"ingest.peak_rss_mb@{times}x"] = run.peak_rss / 2**20
        table.add_row(
            str(run.progress.indexed),
            str(run.progress.chunks),
            f"{run.peak_rss / 2**20:.0f}",
            f"{run.progress.chunks / run.seconds:.1f}",
        )
    return figures, table


def _scifact(settings: Settings, count: int) -> Path:
    folder = settings.data_dir / "corpora" / f"ingest-{count}"
    _beir.write_corpus(_beir.load(_common.DATA / "scifact").corpus[:count], folder)
    return folder.absolute()


def chunk_texts(settings: Settings, folder: Path) -> list[str]:
    """What the pipeline will embed, by its own read stage."""
    elsewhere = settings.model_copy(update={"data_dir": settings.data_dir / "export"})
    source = SourceSpec("filesystem", "export", str(folder))
    connector = ingest_wiring.open_connector(
        elsewhere,
        kind=source.kind,
        collection=source.collection,
        uri=source.uri,
        blobs=wiring.open_blobs(elsewhere),
    )
    work = [Work(source, "", ref, 0, None) for ref in connector.discover()]
    batches = ReadDocuments(elsewhere)(row(work))
    parts = [part for rows in batches for part in rows["batch"][0]]
    return [chunk.searched_text for part in parts for chunk in part.chunks]


def encode_seconds(settings: Settings, texts: list[str]) -> float:
    """Plain sentence-transformers, as many threads as the pipeline's workers have together."""
    import torch
    from sentence_transformers import SentenceTransformer

    workers = settings.ingest.max_embed_workers or settings.ingest.embed_workers
    each = settings.embedder.threads or max((os.cpu_count() or 1) // workers, 1)
    torch.set_num_threads(workers * each)
    model = SentenceTransformer(str(wiring.embedder_path(settings)))
    model.encode(texts[:32])
    started = time.perf_counter()
    model.encode(texts)
    return time.perf_counter() - started


def pipeline(settings: Settings, folder: Path) -> Run:
    """The whole ingest program into a collection that is new, with Ray started for it."""
    (settings.data_dir / "embeddings.db").unlink(missing_ok=True)
    with stores(settings, "benchmark"):
        return run_pipeline(settings, folder)


def run_pipeline(settings: Settings, folder: Path) -> Run:
    """The same on a Ray and a vector server that run already."""
    engine = wiring.open_ledger(settings)
    warm_up = settings.data_dir / "corpora" / "warm-up"
    warm_up.mkdir(parents=True, exist_ok=True)
    for number in range(WARM_UP_DOCUMENTS):
        (warm_up / f"{number}.md").write_text(f"# Warm-up {time.time_ns()}\n\nNumber {number}.")
    with SharedPipeline(settings) as shared:
        run = Run()
        _ingest(settings, engine, shared, warm_up, run)
        cold = run.seconds
        run = Run(cold_s=cold)
        with sampled_memory(run):
            _ingest(settings, engine, shared, folder, run)
    if run.progress.failed:
        raise RuntimeError(f"{run.progress.failed} documents failed")
    return run


def _ingest(
    settings: Settings, engine: Engine, shared: SharedPipeline, folder: Path, run: Run
) -> None:
    collection = f"bench_{time.time_ns()}"
    source = SourceSpec("filesystem", collection, str(folder))
    job = jobs.submit(engine, "ingest", collection, {})
    ingest(IngestRequest(job.id, source), settings, engine, shared, run, run.progress)


@contextmanager
def sampled_memory(run: Run) -> Iterator[None]:
    """Keep the largest sum of resident sizes, this process and all below it."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_S):
            run.peak_rss = max(run.peak_rss, _resident())

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield
    finally:
        stop.set()
        sampler.join()


def _resident() -> float:
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended between being listed and being asked
    return total


def summary(chunks: int, encoded: list[float], runs: list[Run]) -> Figures:
    """Rates over all runs together."""
    encode_rate = chunks * len(encoded) / sum(encoded)
    rate = sum(run.progress.chunks for run in runs) / sum(run.seconds for run in runs)
    cold_rate = sum(run.progress.chunks for run in runs) / sum(
        run.seconds + run.cold_s for run in runs
    )
    return {
        "ingest.pipeline_over_encode": rate / encode_rate,
        "ingest.cold_over_encode": cold_rate / encode_rate,
        "ingest.chunks_per_s": rate,
        "ingest.encode_chunks_per_s": encode_rate,
        "ingest.first_commit_s": sum(run.commits[0][0] - run.started for run in runs) / len(runs),
        "ingest.cold_start_s": sum(run.cold_s for run in runs) / len(runs),
        "ingest.peak_rss_mb": max(run.peak_rss for run in runs) / 2**20,
    }


def _table(figures: Figures, runs: list[Run], chunks: int) -> Table:
    table = Table(
        "", "chunks/s", "over encode", title=f"Ingest: {chunks} chunks, {len(runs)} run(s) of each"
    )
    encode, whole = figures["ingest.encode_chunks_per_s"], figures["ingest.chunks_per_s"]
    cold = figures["ingest.cold_over_encode"]
    table.add_row("encode", f"{encode:.1f}", "1")
    table.add_row("pipeline", f"{whole:.1f}", f"{whole / encode:.2f}")
    table.add_row("pipeline, cold", f"{cold * encode:.1f}", f"{cold:.2f}")
    table.add_section()
    table.add_row("first commit after", f"{figures['ingest.first_commit_s']:.1f} s", "")
    table.add_row("cold start and 8 documents", f"{figures['ingest.cold_start_s']:.1f} s", "")
    table.add_row("peak memory", f"{figures['ingest.peak_rss_mb']:.0f} MiB", "")
    for stage, seconds in runs[-1].progress.seconds.items():
        table.add_row(f"last run, busy in {stage}", f"{seconds:.1f} s", "")
    return table


if __name__ == "__main__":
    main()
