"""Documents that mean harm, read by the product: each must end as chunks or as an error.

- bombs: every one of ours (`benchmarks/hostile/`), full size, or a tenth with --quick.
- altered files: the sample corpus, and `../shared/data/docs` where it exists, cut, flipped, spliced
  and so on by a seed; of archives also the members, packed soundly again.

Each goes through `smartypants.reading.read` as in the ingest program: fetched, kept, extracted in
the limited child, its text kept. A crash is anything else than chunks that fit the text or a
`DocumentError`. The time limit is `--timeout`, the other limits are those of the settings.

`peak_rss_mb` is that of the reading process, which also makes the documents; `child_peak_rss_mb`
is the largest that was seen of a child after a document that it survived.
"""

from __future__ import annotations

import itertools
import os
import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from queue import SimpleQueue

from rich.progress import track
from rich.table import Table

from benchmarks import _common
from benchmarks._common import Figures
from benchmarks.hostile import altered, corpus
from benchmarks.hostile.attempts import CRASH, PARSED, Attempt, attempt
from smartypants import ingest_wiring, wiring
from smartypants.errors import DocumentTimeout, DocumentTooLarge, DocumentUnreadable
from smartypants.extracting import IsolatedExtractor
from smartypants.settings import Settings

ALTERED, QUICK_ALTERED = 6_000, 400
QUICK_SCALE = 0.1
SEED = 20261124
CODES = (DocumentUnreadable.code, DocumentTooLarge.code, DocumentTimeout.code)


def main() -> None:
    parser = _common.arguments("fuzz_documents", __doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of the altered files")
    parser.add_argument("--altered", type=int, metavar="N", help="how many altered files")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N", help="at once")
    parser.add_argument("--timeout", type=float, default=20.0, metavar="S", help="for one document")
    options = parser.parse_args()
    count = options.altered or (QUICK_ALTERED if options.quick else ALTERED)
    bombs = list(corpus.crafted(QUICK_SCALE if options.quick else 1.0))
    inputs = itertools.chain(bombs, corpus.spoiled(seed=options.seed, count=count))
    with _common.data_dir(options.reuse) as folder:
        settings = _common.own_settings(folder, parsing={"timeout_s": options.timeout})
        attempts, child_peak = run(inputs, len(bombs) + count, settings, options.workers)
    figures = summary(attempts, child_peak)
    _common.show(_table(attempts))
    for item in attempts:
        if item.outcome == CRASH:
            print(f"CRASH {item.kind} {item.name}: {item.message}")
    _common.write_json(options.json, figures)


def run(
    inputs: Iterator[corpus.Hostile], count: int, settings: Settings, workers: int
) -> tuple[list[Attempt], int]:
    """Every attempt, and the largest child in bytes."""
    blobs = wiring.open_blobs(settings)
    extractors = [ingest_wiring.make_extractor(settings) for _ in range(workers)]
    free: SimpleQueue[IsolatedExtractor] = SimpleQueue()
    for extractor in extractors:
        free.put(extractor)

    def one(item: corpus.Hostile) -> tuple[Attempt, int]:
        extractor = free.get()
        try:
            found = attempt(item, extractor=extractor, blobs=blobs)
            return found, _peak(extractor.pid) if extractor.pid else 0
        finally:
            free.put(extractor)

    with ThreadPool(workers) as pool:
        tried = pool.imap_unordered(one, inputs)
        found = list(track(tried, total=count, description="Reading"))
    for extractor in extractors:
        extractor.close()
    return [item for item, _ in found], max(peak for _, peak in found)


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def summary(attempts: Sequence[Attempt], child_peak: int) -> Figures:
    outcomes = Counter(item.outcome for item in attempts)
    parsed, crashes = outcomes[PARSED], outcomes[CRASH]
    return {
        "fuzz.inputs": len(attempts),
        "fuzz.parsed": parsed,
        "fuzz.failed": len(attempts) - parsed - crashes,
        "fuzz.timeouts": outcomes[DocumentTimeout.code],
        "fuzz.crashes": crashes,
        "fuzz.slowest_s": max(item.seconds for item in attempts),
        "fuzz.peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "fuzz.child_peak_rss_mb": child_peak / 2**20,
    }


def _table(attempts: Sequence[Attempt]) -> Table:
    title = (
        f"{len(attempts)} hostile documents: our bombs, and {len(altered.seeds())} files altered"
    )
    table = Table("kind", title=title)
    for name in (
        "tried",
        "parsed",
        "unreadable",
        "too large",
        "timeout",
        "crashes",
        "s",
        "slowest",
    ):
        table.add_column(name, justify="right")
    kinds = dict.fromkeys(item.kind for item in attempts)
    for kind in (*kinds, "all"):
        chosen = [item for item in attempts if kind in (item.kind, "all")]
        outcomes = Counter(item.outcome for item in chosen)
        if kind == "all":
            table.add_section()
        counts = [outcomes[code] for code in (PARSED, *CODES, CRASH)]
        slowest = max(chosen, key=lambda item: item.seconds)
        named = (f"{slowest.seconds:.1f}", slowest.name)
        table.add_row(kind, str(len(chosen)), *map(str, counts), *named)
    return table


if __name__ == "__main__":
    main()
