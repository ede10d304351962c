"""Judged queries: which documents of a collection answer which question, and how well.

They come from files in BEIR form, from what users said of hits, or from a language model.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Engine

from smartypants.errors import InvalidRequest
from smartypants.ledger import documents, feedback

MAX_GRADE = 100


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A question and the grades of documents (by id, 1 and above is relevant)."""

    id: str
    text: str
    grades: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judgments:
    """Queries that have a relevant document in the collection, by id; the others are counted."""

    queries: tuple[JudgedQuery, ...]
    source: str
    unknown_documents: int = 0
    without_relevant: int = 0


class _QueryLine(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(alias="_id", min_length=1)
    text: str = Field(min_length=1)


def from_files(engine: Engine, collection: str, queries: Path, qrels: Path) -> Judgments:
    """Judgments in BEIR form, gzipped or not.

    `queries` has a line `{"_id": …, "text": …}` for each query; `qrels` has tab-separated lines
    of query id, document and grade, below a line that names the columns. A document is named by
    its id, its name, its name without the suffix, or the end of its URI.

    Raises `InvalidRequest` for a file that is missing or damaged.
    """
    texts = {line.id: line.text for line in _queries(queries)}
    judged = [
        (query_id, name.strip("/"), grade)
        for query_id, name, grade in _qrels(qrels)
        if query_id in texts
    ]
    names = _documents_by(engine, collection, {name for _, name, _ in judged})
    grades: dict[str, dict[str, int]] = {}
    unknown = 0
    for query_id, name, grade in judged:
        found = names.get(name)
        if found is None:
            unknown += grade > 0
            continue
        own = grades.setdefault(query_id, {})
        own[found] = max(grade, own.get(found, 0))
    source = f"{queries.name} and {qrels.name}"
    every = (JudgedQuery(item, texts[item], own) for item, own in grades.items())
    return _judgments(every, source, unknown=unknown)


def from_feedback(engine: Engine, collection: str) -> Judgments:
    """What users said of hits, as far as the documents are still there."""
    grades = feedback.grades(engine, collection)
    here = documents.by_id(engine, {name for own in grades.values() for name in own})
    found = {
        text: {name: grade for name, grade in own.items() if name in here and here[name].searchable}
        for text, own in grades.items()
    }
    unknown = sum(len(own) - len(found[text]) for text, own in grades.items())
    every = (JudgedQuery(text, text, own) for text, own in found.items())
    return _judgments(every, "feedback", unknown=unknown)


def _judgments(queries: Iterable[JudgedQuery], source: str, *, unknown: int = 0) -> Judgments:
    every = sorted(queries, key=lambda query: query.id)
    useful = tuple(query for query in every if any(grade > 0 for grade in query.grades.values()))
    return Judgments(useful, source, unknown, len(every) - len(useful))


def _documents_by(engine: Engine, collection: str, wanted: set[str]) -> dict[str, str]:
    """The document that each of the names stands for; a name that several have stands for none."""
    found: dict[str, str | None] = {}
    sure: dict[str, str] = {}
    after = ""
    while page := documents.of_collection(engine, collection, after=after):
        after = page[-1].id
        for row in page:
            if not row.searchable:
                continue
            if row.id in wanted:
                sure[row.id] = row.id
            for name in _aliases(row) & wanted:
                found[name] = row.id if found.get(name, row.id) == row.id else None
    return {name: row for name, row in found.items() if row is not None} | sure


def _aliases(row: documents.Document) -> set[str]:
    parts = unquote(row.uri).split("://", 1)[-1].replace(":", "/").strip("/").split("/")
    ends = {"/".join(parts[start:]) for start in range(len(parts))}
    ends |= {row.uri, row.name}
    return ends | {end.rsplit(".", 1)[0] for end in ends if "." in end.rsplit("/", 1)[-1][1:]}


def _queries(path: Path) -> Iterator[_QueryLine]:
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield _QueryLine.model_validate(json.loads(line))
            except (ValueError, ValidationError) as exc:
                raise InvalidRequest(
                    f'{path}, line {number}, is no {{"_id": …, "text": …}}.', "Mend it."
                ) from exc


def _qrels(path: Path) -> Iterator[tuple[str, str, int]]:
    with _open(path) as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t"), start=1):
            if not row or (number == 1 and not _is_grade(row[-1])):
                continue
            if len(row) == 4:  # TREC's form has an unused second column
                row = [row[0], *row[2:]]
            if len(row) != 3 or not _is_grade(row[2]) or int(row[2]) > MAX_GRADE:
                raise InvalidRequest(
                    f"{path}, line {number}, is not query, document and grade, parted by tabs.",
                    f"A grade is a whole number, {MAX_GRADE} at most.",
                )
            yield row[0], row[1], int(row[2])


def _is_grade(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _open(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8", newline="")
        return path.open(encoding="utf-8", newline="")
    except OSError as exc:
        raise InvalidRequest(f"{path} can't be read: {exc.strerror}.", "Check the path.") from exc
