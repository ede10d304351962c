"""The ingest program beside other projects' ingestion: same documents, model and threads.

Each peer runs in an environment of its own, made with uv below --cache from the pinned
requirements in benchmarks/peers. One after the other, each once: ours, Haystack, txtai, LlamaIndex.

- Peers are timed from reading the first file to the last write into their own store in memory.
  Starting the process, importing, loading the model and a warm-up are not counted.
- ours, with start-up: from discovery to the last commit, Ray's actors and model loading included,
  into Milvus Lite with BM25 and the ledger.
- ours, steady: after the first commit; only where there were enough commits.

The corpus is what ours reads: files that give it no text are taken out first, and listed. No peer
gets a chance to read those. Rates are over the documents that each could read, so a peer that
skips the slow formats gains by it; the files that each could not read are listed. Chunks are
about 150 to 200 tokens everywhere, but not the same ones.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks import _common, _peers
from benchmarks._common import Figures
from benchmarks.ingest import Run, pipeline
from examples.build_handbook import docx, pdf
from smartypants import ingest_wiring, wiring
from smartypants.errors import DocumentError
from smartypants.reading import read
from smartypants.settings import Settings

HERE = Path(__file__).parent
PEERS = ("haystack", "txtai", "llamaindex")
FORMATS = (".md", ".txt", ".html", ".csv", ".json", ".pdf", ".docx", ".pptx", ".xlsx")
COPIES, QUICK_COPIES = 12, 0


@dataclass(frozen=True, slots=True)
class Outcome:
    documents: int
    chunks: int
    seconds: float
    unread: tuple[str, ...]


def main() -> None:
    parser = _common.arguments("ingest_peers", __doc__)
    parser.add_argument("--copies", type=int, help="altered copies of each text file")
    _peers.cache_argument(parser)
    options = parser.parse_args()
    environments = {peer: _peers.environment(peer, options.cache) for peer in PEERS}
    outcomes: dict[str, Outcome] = {}
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(data_dir)
        folder = data_dir / "corpora" / "mixed"
        default = QUICK_COPIES if options.quick else COPIES
        write_corpus(folder, default if options.copies is None else options.copies)
        left_out = _common.alone(leave_out_unreadable, settings, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        run = pipeline(settings, folder.absolute())
        for peer, python in environments.items():
            outcomes[peer] = run_peer(peer, python, folder, settings)
    figures = summary(run, outcomes)
    _common.show(_table(figures, outcomes, size))
    print(f"left out, unreadable for ours: {', '.join(left_out)}")
    for peer, outcome in outcomes.items():
        print(f"{peer} could not read {len(outcome.unread)}: {', '.join(outcome.unread[:40])}")
    _common.write_json(options.json, figures)


def write_corpus(folder: Path, copies: int) -> None:
    """Real files of mixed formats once, then altered copies of the handbook."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sources = [HERE.parent / "examples" / "handbook", _common.DATA / "docs"]
    for source in sources:
        for file in sorted(source.rglob("*")):
            if file.suffix in FORMATS and file.stat().st_size:
                shutil.copy(file, folder / f"{file.parent.name}-{file.name}")
    for file in sorted((HERE.parent / "examples" / "handbook").glob("*")):
        if file.suffix not in (".md", ".txt", ".html"):
            continue
        text = file.read_text()
        for copy in range(copies):
            other = altered(text, copy)
            target = folder / f"copy{copy}-{file.name}"
            target.write_text(other)
            if file.suffix == ".md":
                latin = other.encode("cp1252", "replace").decode("cp1252")
                target.with_suffix(".pdf").write_bytes(pdf(latin))
                target.with_suffix(".docx").write_bytes(docx(other))


def leave_out_unreadable(settings: Settings, folder: Path) -> list[str]:
    """Remove the files that ours reads no text from (scans, empty ones); returns their names."""
    elsewhere = settings.model_copy(update={"data_dir": settings.data_dir / "trial"})
    blobs = wiring.open_blobs(elsewhere)
    connector = ingest_wiring.open_connector(
        elsewhere, kind="filesystem", collection="trial", uri=str(folder.absolute()), blobs=blobs
    )
    extractor = ingest_wiring.make_extractor(settings)
    names = []
    for ref in list(connector.discover()):
        try:
            read(
                ref,
                connector=connector,
                blobs=blobs,
                extractor=extractor,
                max_bytes=settings.parsing.max_document_bytes,
                indexed_version=None,
            )
        except DocumentError:
            (folder / ref.name).unlink()
            names.append(ref.name)
    extractor.close()
    return names


def altered(text: str, copy: int) -> str:
    """Every ninth longer word is another one, so that no chunk equals one of another copy."""
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"ref{copy}n{count}" if count % 9 == 0 else match[0]

    return re.sub(r"(?<![<&/\w])\b[a-z]{5,}\b(?![>\w=])", replace, text)


def run_peer(peer: str, python: Path, folder: Path, settings: Settings) -> Outcome:
    script = _peers.SCRIPTS / f"with_{peer}.py"
    threads = str(os.cpu_count() or 1)
    printed = _peers.run(python, script, folder, wiring.embedder_path(settings), threads)
    result = json.loads(printed.strip().splitlines()[-1])
    return Outcome(
        result["documents"], result["chunks"], result["seconds"], tuple(result["unread"])
    )


def summary(run: Run, outcomes: dict[str, Outcome]) -> Figures:
    documents = run.progress.indexed
    figures: Figures = {
        "ingest.documents_per_s": documents / run.seconds,
        "ingest.peers_chunks_per_s": run.progress.chunks / run.seconds,
    }
    figures["ingest.cold_documents_per_s"] = documents / (run.seconds + run.cold_s)
    for peer, outcome in outcomes.items():
        figures[f"ingest.{peer}.documents_per_s"] = outcome.documents / outcome.seconds
        figures[f"ingest.{peer}.chunks_per_s"] = outcome.chunks / outcome.seconds
    best = max(figures[f"ingest.{peer}.documents_per_s"] for peer in outcomes)
    figures["ingest.over_best_peer"] = figures["ingest.documents_per_s"] / best
    figures["ingest.cold_over_best_peer"] = figures["ingest.cold_documents_per_s"] / best
    return figures


def _table(figures: Figures, outcomes: dict[str, Outcome], size: int) -> Table:
    table = Table("", "documents/s", "chunks/s", title=f"Ingest: {size / 1e6:.1f} MB of files")
    ours = figures["ingest.documents_per_s"]
    table.add_row("ours", f"{ours:.2f}", f"{figures['ingest.peers_chunks_per_s']:.1f}")
    table.add_row("ours, cold", f"{figures['ingest.cold_documents_per_s']:.2f}", "")
    for peer in outcomes:
        rate, chunks = (figures[f"ingest.{peer}.{name}_per_s"] for name in ("documents", "chunks"))
        table.add_row(peer, f"{rate:.2f}", f"{chunks:.1f}")
    table.add_row("ours over the best peer", f"{figures['ingest.over_best_peer']:.2f}", "")
    return table


if __name__ == "__main__":
    main()
