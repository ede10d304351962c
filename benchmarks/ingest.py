"""Chunks a second of the ingest program, beside plain `SentenceTransformer.encode`.

The same chunks go through both, one after the other: encode, pipeline, then (not with --quick)
pipeline, encode. Each runs in fresh processes with the same number of torch threads.

- encode: `SentenceTransformer(model).encode(texts)` with its defaults, all texts in one call,
  after a warm-up; loading the model is not counted.
- pipeline: `actors.ingest.ingest`, from discovery to the last commit, on a Ray and a vector
  server that run already. Starting Ray Data's actors and loading the model in them is counted.
- steady: the chunks committed after the first commit, over the time from that to the last one.
  Left out where there were fewer than six commits: what was in flight would weigh too much.

Peak memory is the sum of the resident sizes of this process and all below it (Ray, the vector
server, workers), sampled during the pipeline; pages that they share count for each.
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

from actors.ingest import IngestRequest, ingest
from actors.sharing import SharedPipeline
from actors.stages import ReadDocuments, SourceSpec, Work, row
from benchmarks import _beir, _common
from benchmarks._common import Figures
from deployments.local import stores
from smartypants import wiring
from smartypants.ledger import jobs
from smartypants.progress import Progress
from smartypants.settings import Settings

DOCUMENTS, QUICK_DOCUMENTS = 1_500, 200
SAMPLE_S = 0.25
MIN_COMMITS = 6


@dataclass(slots=True)
class Run:
    """One run of the pipeline; `report` notes when commits happened."""

    started: float = field(default_factory=time.perf_counter)
    commits: list[tuple[float, int]] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    peak_rss: float = 0.0

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

    @property
    def steady(self) -> tuple[int, float] | None:
        """Chunks and seconds after the first commit; None where that says little."""
        if len(self.commits) < MIN_COMMITS:
            return None
        (first, before), (last, chunks) = self.commits[0], self.commits[-1]
        return chunks - before, last - first


def main() -> None:
    parser = _common.arguments("ingest", __doc__)
    parser.add_argument("path", type=Path, nargs="?", help="a folder to ingest; default: scifact")
    options = parser.parse_args()
    if options.path is None and not (_common.DATA / "scifact").exists():
        parser.error(f"there is no {_common.DATA / 'scifact'}; name a folder to ingest")

    encoded: list[float] = []
    runs: list[Run] = []
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(data_dir)
        folder = options.path
        if folder is None:
            folder = data_dir / "corpora" / "ingest"
            corpus = _beir.load(_common.DATA / "scifact").corpus
            _beir.write_corpus(corpus[: QUICK_DOCUMENTS if options.quick else DOCUMENTS], folder)
        texts = _common.alone(chunk_texts, settings, folder.absolute())
        encoded.append(_common.alone(encode_seconds, settings, texts))
        runs.append(pipeline(settings, folder.absolute()))
        if not options.quick:
            runs.append(pipeline(settings, folder.absolute()))
            encoded.append(_common.alone(encode_seconds, settings, texts))
    figures = summary(len(texts), encoded, runs)
    _common.show(_table(figures, runs, len(texts)))
    _common.write_json(options.json, figures)


def chunk_texts(settings: Settings, folder: Path) -> list[str]:
    """What the pipeline will embed, by its own read stage."""
    elsewhere = settings.model_copy(update={"data_dir": settings.data_dir / "export"})
    source = SourceSpec("filesystem", "export", str(folder))
    connector = wiring.open_connector(
        elsewhere,
        kind=source.kind,
        collection=source.collection,
        uri=source.uri,
        blobs=wiring.open_blobs(elsewhere),
    )
    work = [Work("", source, "", ref, 0, None) for ref in connector.discover()]
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
    with stores(settings, "benchmark"):
        return run_pipeline(settings, folder)


def run_pipeline(settings: Settings, folder: Path) -> Run:
    """The same on a Ray and a vector server that run already."""
    collection = f"bench_{time.time_ns()}"
    source = SourceSpec("filesystem", collection, str(folder))
    engine = wiring.open_ledger(settings)
    job = jobs.submit(engine, "ingest", collection, {})
    run = Run()
    with sampled_memory(run), SharedPipeline(settings) as shared:
        ingest(IngestRequest(job.id, source), settings, engine, shared, run, run.progress)
    if run.progress.failed:
        raise RuntimeError(f"{run.progress.failed} documents failed")
    return run


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
    figures = {
        "ingest.pipeline_over_encode": rate / encode_rate,
        "ingest.chunks_per_s": rate,
        "ingest.encode_chunks_per_s": encode_rate,
        "ingest.first_commit_s": sum(run.commits[0][0] - run.started for run in runs) / len(runs),
        "ingest.peak_rss_mb": max(run.peak_rss for run in runs) / 2**20,
    }
    steady = [found for run in runs if (found := run.steady) is not None]
    if steady:
        steady_rate = sum(count for count, _ in steady) / sum(seconds for _, seconds in steady)
        figures["ingest.steady_chunks_per_s"] = steady_rate
        figures["ingest.steady_over_encode"] = steady_rate / encode_rate
    return figures


def _table(figures: Figures, runs: list[Run], chunks: int) -> Table:
    table = Table(
        "", "chunks/s", "over encode", title=f"Ingest: {chunks} chunks, {len(runs)} run(s) of each"
    )
    encode, whole = figures["ingest.encode_chunks_per_s"], figures["ingest.chunks_per_s"]
    table.add_row("encode", f"{encode:.1f}", "1")
    table.add_row("pipeline, with start-up", f"{whole:.1f}", f"{whole / encode:.2f}")
    if steady := figures.get("ingest.steady_chunks_per_s"):
        table.add_row("pipeline, steady", f"{steady:.1f}", f"{steady / encode:.2f}")
    table.add_section()
    table.add_row("first commit after", f"{figures['ingest.first_commit_s']:.1f} s", "")
    table.add_row("peak memory", f"{figures['ingest.peak_rss_mb']:.0f} MiB", "")
    for stage, seconds in runs[-1].progress.seconds.items():
        table.add_row(f"last run, busy in {stage}", f"{seconds:.1f} s", "")
    return table


if __name__ == "__main__":
    main()
