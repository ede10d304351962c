"""Retrieval sets in BEIR form, and their corpus as a folder of Markdown files."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import quote, unquote, urlsplit

import ir_measures
from ir_measures import nDCG

from smartypants.errors import SetupError
from smartypants.types import stable_id

_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Passage:
    """One document of a corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """A corpus, the queries that have judgements, and these: query → document → relevance."""

    name: str
    corpus: tuple[Passage, ...]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]

    @property
    def collection(self) -> str:
        """The name as one that a collection may have."""
        plain = "".join(char if char.isascii() and char.isalnum() else "_" for char in self.name)
        return f"set_{plain.lower()}"[:60]

    def ndcg(self, run: Mapping[str, Sequence[str]]) -> float:
        """nDCG@10 over the queries that were asked: query id → passages, best first."""
        scored = [
            ir_measures.ScoredDoc(query_id, passage, 1 / rank)
            for query_id, passages in run.items()
            for rank, passage in enumerate(passages, start=1)
        ]
        qrels = {query_id: dict(self.qrels[query_id]) for query_id in run}
        return float(ir_measures.calc_aggregate([nDCG @ 10], qrels, scored)[nDCG @ 10])


def load(folder: Path) -> RetrievalSet:
    """Read `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` (or `qrels/test.tsv`), gzipped or not.

    Raises `SetupError` if one is missing.
    """
    return load_files(
        _find(folder, "corpus.jsonl"),
        _find(folder, "queries.jsonl"),
        _find(folder, "qrels.tsv", "qrels/test.tsv"),
    )


def load_files(corpus: Path, queries: Path, qrels: Path) -> RetrievalSet:
    """The set in these files, gzipped or not; its name is that of the corpus' folder."""
    passages = tuple(
        Passage(row["_id"], row.get("title") or "", row["text"]) for row in _rows(corpus)
    )
    grades: dict[str, dict[str, int]] = {}
    with _open(qrels) as file:
        for query_id, document_id, score in csv.reader(file, delimiter="\t"):
            if score.lstrip("-").isdigit():  # the first line names the columns
                grades.setdefault(query_id, {})[document_id] = int(score)
    texts = {row["_id"]: row["text"] for row in _rows(queries)}
    judged = {query_id: texts[query_id] for query_id in grades}
    return RetrievalSet(corpus.resolve().parent.name, passages, judged, grades)


def answers(folder: Path) -> dict[str, str]:
    """Query → the answer's words, where a set has them (`answers.json`)."""
    with _open(_find(folder, "answers.json")) as file:
        found: dict[str, str] = json.load(file)
    return found


def write_corpus(passages: Sequence[Passage], folder: Path) -> dict[str, str]:
    """Each passage as a Markdown file; which file name belongs to which id.

    A file that has its content already is left alone, so that its time of change stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids: dict[str, str] = {}
    for passage in passages:
        name = file_name(passage.id)
        ids[name] = passage.id
        data = (f"# {passage.title}\n\n" if passage.title else "") + passage.text
        file = folder / name
        if not file.exists() or file.read_bytes() != data.encode():
            file.write_bytes(data.encode())
    return ids


def file_name(document_id: str) -> str:
    """A name that any file system takes, different for each id."""
    safe = quote(document_id, safe="").replace(".", "%2E")  # a dot in front would hide it
    return f"{safe if len(safe) <= _MAX_NAME else stable_id(document_id)}.md"


def name_in(uri: str) -> str:
    """The file name in a `file:` URI."""
    return Path(unquote(urlsplit(uri).path)).name


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with _open(path) as file:
        for line in file:
            yield json.loads(line)


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        for file in (folder / name, folder / f"{name}.gz"):
            if file.is_file():
                return file
    raise SetupError(
        f"{folder} has no {names[0]}.", "A set in BEIR form has corpus, queries and qrels."
    )
