"""Kills parts of a working system at random moments, and counts what is lost. Nothing may be.

A system of its own (`smartypants up`) keeps a folder of documents indexed. Each round changes
some documents, deletes some and adds some, submits a job, and ends one part by SIGKILL at a
random moment: a Ray worker, an embedding actor, the ingest driver, the job runner, the Milvus
Lite server, or every process of the local Ray with `smartypants up` itself (only then it is
started again, by `smartypants up`). Then the system is left alone until the job has ended.

After each round: every document is indexed in the version of its file, exactly once; the ledger
and the vector store agree (`smartypants doctor --verify`); how many chunks were embedded more
often than once, by the embedding actors' own logs, of which one batch (`ingest.batch_chunks`)
is allowed; and how long it took from the kill until a document was finished again (recovery).
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from actors.cluster import scratch_dir
from actors.stages import patiently
from benchmarks import _beir, _common, _faults
from benchmarks._common import Figures
from benchmarks._faults import Installation, Target, whereabouts
from smartypants import verifying, wiring
from smartypants.ledger import documents, jobs
from smartypants.settings import Settings
from smartypants.types import content_version

DOCUMENTS, QUICK_DOCUMENTS = 2_000, 120
ROUNDS, QUICK_ROUNDS = 36, 6
CHANGED, DELETED, ADDED = 0.10, 0.005, 0.005
"""Shares of the documents, a round."""
BATCH_CHUNKS = 32
DOCUMENTS_PER_S = 15.0
"""About what this machine indexes: a kill comes while a job should be at work."""
JOB_TIMEOUT_S = 900.0
COLLECTION = "chaos"


@dataclass(frozen=True, slots=True)
class Round:
    """What one kill did. `lost` and `doubled` count chunks and documents alike."""

    target: str
    killed: str
    after_s: float
    at_work: bool
    recovery_s: float
    attempts: int
    lost: int
    doubled: int
    stale: int
    reembedded: int
    state: str

    @property
    def ok(self) -> bool:
        return self.state == "succeeded" and not (self.lost or self.doubled or self.stale)


class Folder:
    """Documents that change; every text is unlike every other."""

    def __init__(self, path: Path, texts: Sequence[str], chance: random.Random) -> None:
        self.path = path
        self._texts = texts
        self._chance = chance
        self._serial = 0
        path.mkdir(parents=True, exist_ok=True)

    def add(self, count: int) -> None:
        for _ in range(count):
            self._serial += 1
            self._write(self.path / f"{self._serial:06}.md")

    def change(self, count: int) -> None:
        for path in self._chance.sample(self._files(), count):
            self._write(path)

    def delete(self, count: int) -> None:
        for path in self._chance.sample(self._files(), count):
            path.unlink()

    def versions(self) -> dict[str, str]:
        """The content version of each file, by name."""
        return {path.name: content_version(path.read_bytes()) for path in self._files()}

    def _files(self) -> list[Path]:
        return sorted(self.path.iterdir())

    def _write(self, path: Path) -> None:
        mark = f"{self._chance.getrandbits(64):x}"
        path.write_text(f"# Note {mark}\n\n{self._chance.choice(self._texts)} ({mark})\n")


def main() -> None:
    parser = _common.arguments("chaos", __doc__)
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}")
    parser.add_argument("--documents", type=int, help=f"default: {DOCUMENTS:,}")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = options.documents or (QUICK_DOCUMENTS if options.quick else DOCUMENTS)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    with _common.data_dir(options.reuse) as folder:
        found = list(run(folder, documents=count, rounds=rounds, seed=options.seed))
    figures = summary(found)
    _common.show(_table(found, figures, count))
    _common.write_json(options.json, figures)
    if not all(item.ok for item in found):
        raise SystemExit(1)


def run(folder: Path, *, documents: int, rounds: int, seed: int) -> Iterator[Round]:
    """One round after the other; the first one kills while everything is new."""
    chance = random.Random(seed)
    settings, environment = installation(folder)
    corpus = Folder(folder / "documents", _texts(), chance)
    corpus.add(documents)
    targets: list[Target] = []
    with Installation(settings, environment) as here:
        for number in range(rounds):
            if not targets:
                targets = chance.sample(_faults.TARGETS, len(_faults.TARGETS))
            work = documents
            if number:
                corpus.delete(max(round(DELETED * documents), 1))
                corpus.add(max(round(ADDED * documents), 1))
                work = max(round(CHANGED * documents), 20)
                corpus.change(work)
            item = _round(here, corpus, work, targets.pop(), chance)
            _common.say(f"round {number + 1} of {rounds}: {item}")
            yield item


def installation(folder: Path) -> tuple[Settings, dict[str, str]]:
    """Settings of a system without a language model, and the environment that says them."""
    settings = _common.own_settings(
        folder / "site", llm=_common.NO_LLM, ingest={"batch_chunks": BATCH_CHUNKS}
    )
    return settings, {
        **whereabouts(settings),
        "SMARTYPANTS_LLM__KIND": settings.llm.kind,
        "SMARTYPANTS_LLM__API_BASE": str(settings.llm.api_base),
        "SMARTYPANTS_INGEST__BATCH_CHUNKS": str(BATCH_CHUNKS),
    }


def _texts() -> list[str]:
    data = _common.DATA / "scifact"
    if not data.exists():
        return [f"The ferry to island {number} leaves at noon." for number in range(100)]
    return [passage.text[:600] for passage in _beir.load(data).corpus[:1_000]]


def _round(
    here: Installation, corpus: Folder, work: int, target: Target, chance: random.Random
) -> Round:
    engine = wiring.open_ledger(here.settings)
    scratch = scratch_dir(here.settings)
    cached, computed = _cached(here.settings), _faults.computed_chunks(scratch)
    params = {"connector": "filesystem", "uri": str(corpus.path), "allow_prune": True}
    job = jobs.submit(engine, "ingest", COLLECTION, params)
    wait = chance.uniform(0.0, 1.0 + work / DOCUMENTS_PER_S)
    time.sleep(wait)
    before = jobs.get(engine, job.id)
    killed = here.kill(target, chance)
    at = time.monotonic()
    if target.everything:
        here.up()
    done = before.progress.get("done", 0)
    recovered: float | None = None
    while not (row := jobs.get(engine, job.id)).ended:
        if time.monotonic() - at > JOB_TIMEOUT_S:
            break
        if recovered is None and row.progress.get("done", 0) > done:
            recovered = time.monotonic() - at
        time.sleep(0.1)
    vectors = wiring.open_vectors(here.settings)
    compared = patiently(lambda: verifying.verify(engine, vectors, COLLECTION), JOB_TIMEOUT_S)
    wrong = _wrong_documents(here.settings, corpus.versions())
    embedded_anew = _faults.computed_chunks(scratch) - computed - (_cached(here.settings) - cached)
    return Round(
        target=target.name,
        killed=", ".join(killed) or "nothing: it was not there",
        after_s=round(wait, 1),
        at_work=not before.ended,
        recovery_s=round(time.monotonic() - at if recovered is None else recovered, 1),
        attempts=row.attempts,
        lost=len(compared.incomplete) + wrong + compared.pending + compared.failed,
        doubled=len(compared.orphans),
        stale=len(compared.stale) + len(compared.misplaced) + compared.unfinished,
        reembedded=embedded_anew,
        state=row.state,
    )


def _wrong_documents(settings: Settings, files: dict[str, str]) -> int:
    """Files that are not indexed in their version, and documents without a file."""
    rows = documents.of_collection(wiring.open_ledger(settings), COLLECTION, limit=1_000_000)
    indexed = {row.name: row.indexed_version for row in rows if row.searchable}
    return len(set(files.items()) ^ set(indexed.items()))


def _cached(settings: Settings) -> int:
    """Different texts that were embedded so far."""
    path = settings.data_dir / "embeddings.db"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as connection:
        count: int = connection.execute("SELECT count(*) FROM embeddings").fetchone()[0]
        return count


def summary(rounds: Sequence[Round]) -> Figures:
    recoveries = [item.recovery_s for item in rounds if item.at_work] or [0.0]
    return {
        "chaos.rounds": len(rounds),
        "chaos.rounds_at_work": sum(item.at_work for item in rounds),
        "chaos.lost": sum(item.lost for item in rounds),
        "chaos.duplicated": sum(item.doubled for item in rounds),
        "chaos.stale": sum(item.stale for item in rounds),
        "chaos.failed_jobs": sum(item.state != "succeeded" for item in rounds),
        "chaos.reembedded_chunks_max": max(item.reembedded for item in rounds),
        "chaos.recovery_s_p50": _common.percentile(recoveries, 0.5),
        "chaos.recovery_s_p95": _common.percentile(recoveries, 0.95),
    }


def _table(rounds: Sequence[Round], figures: Figures, count: int) -> Table:
    table = Table(
        "killed", "rounds", "at work", "lost", "doubled", "stale", "embedded again", "recovery s",

        title=f"Chaos: {len(rounds)} kills, {count} documents, batches of {BATCH_CHUNKS} chunks "
        "(embedded again and recovery: the most of any round)",
    )  # fmt: skip
    for target in _faults.TARGETS:
        mine = [item for item in rounds if item.target == target.name]
        if mine:
            table.add_row(
                target.name,
                str(len(mine)),
                str(sum(item.at_work for item in mine)),
                str(sum(item.lost for item in mine)),
                str(sum(item.doubled for item in mine)),
                str(sum(item.stale for item in mine)),
                str(max(item.reembedded for item in mine)),
                f"{max(item.recovery_s for item in mine):.1f}",
            )
    table.add_row("p50 / p95", "", "", "", "", "", "", "{:.1f} / {:.1f}".format(
        figures["chaos.recovery_s_p50"], figures["chaos.recovery_s_p95"]
    ))  # fmt: skip
    return table


if __name__ == "__main__":
    main()
