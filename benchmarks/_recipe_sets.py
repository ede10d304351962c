"""The judged sets that recipes are tuned on and scored by, ingested by the product."""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.jobs import run_jobs
from benchmarks import _beir, _common, _debian
from smartypants import wiring
from smartypants.ledger import documents
from smartypants.settings import Settings
from smartypants.tuning.judgments import JudgedQuery

SETS = ("scifact", "xquad", "mtrag-un", "debian")


@dataclass(frozen=True, slots=True)
class Set:
    """A collection with its judged queries; `tune` are those apart from `test`, if it has some."""

    name: str
    collection: str
    test: Sequence[JudgedQuery]
    tune: Sequence[JudgedQuery]


def prepare(settings: Settings, name: str, options: argparse.Namespace) -> Set:
    """Ingest a set's corpus, unless it is there already, and read its judgments."""
    folder = settings.data_dir / "corpora" / name
    _common.say(f"{name}: corpus")
    if name == "debian":
        _debian.fetch(options.cache, folder)
        index(settings, folder, name)
        ids = _rows(settings, name)
        found = [
            JudgedQuery(q.id, q.text, {ids[document]: 1 for document in q.relevant})
            for q in _debian.questions()
        ]
        return Set(name, name, found, ())
    data = _beir.load(_common.DATA / name)
    names = _beir.write_corpus(data.corpus, folder)
    index(settings, folder, data.collection)
    rows = {names[file]: row for file, row in _rows(settings, data.collection).items()}
    tune: Sequence[JudgedQuery] = ()
    if name == "scifact":
        own = _common.DATA / name
        train = _beir.load_files(
            own / "corpus.jsonl.gz", own / "train_queries.jsonl.gz", own / "train_qrels.tsv.gz"
        )
        tune = _judged(train, rows)
        held = Path(options.reranker, "held_out.json") if options.reranker else None
        if held is not None and held.is_file():
            unseen = set(json.loads(held.read_text()))
            tune = [query for query in tune if query.id in unseen]
    return Set(name, data.collection, _judged(data, rows), tune)


def index(settings: Settings, folder: Path, collection: str) -> None:
    """Have the job runner ingest a folder, here and now."""
    stop = threading.Event()
    runner = threading.Thread(target=run_jobs, args=(settings, stop))
    runner.start()
    try:
        started = time.perf_counter()
        progress = _common.index(settings, folder.absolute(), collection)
        seconds = time.perf_counter() - started
        _common.say(f"{progress['indexed']} indexed, {progress['chunks']} chunks, {seconds:.0f} s")
    finally:
        stop.set()
        runner.join()


def _rows(settings: Settings, collection: str) -> dict[str, str]:
    """File name below the corpus' folder → document id."""
    engine = wiring.open_ledger(settings)
    found: dict[str, str] = {}
    after = ""
    while page := documents.of_collection(engine, collection, after=after):
        after = page[-1].id
        found |= {row.name: row.id for row in page if row.searchable}
    return found


def _judged(data: _beir.RetrievalSet, rows: dict[str, str]) -> list[JudgedQuery]:
    return [
        JudgedQuery(name, text, {rows[item]: grade for item, grade in data.qrels[name].items()})
        for name, text in sorted(data.queries.items())
    ]
