"""Questions that a language model writes about passages: judgments where nobody has judged."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Engine

from smartypants.errors import SetupError
from smartypants.ledger import collections, documents
from smartypants.protocols import VectorStore
from smartypants.tuning.judgments import JudgedQuery, Judgments
from smartypants.types import Chunk, Message, stable_id

MIN_CHARS = 200
"""A shorter passage says too little to ask about."""
MAX_CHARS = 1_500

_EACH = 8
_QUESTION = re.compile(r"[^\n?]{8,300}\?")
_LABEL = re.compile(r"^\W*(?:question\W*\d*\W+)?", re.IGNORECASE)
_PROMPT = (
    "Write one question that the following text answers. Somebody who has not seen the text must "
    "understand it. Write the question alone, in the language of the text.\n\n{text}"
)

Ask = Callable[[Sequence[Message]], str]
"""A conversation → what the language model says."""


def generate(
    engine: Engine,
    vectors: VectorStore,
    collection: str,
    *,
    count: int,
    ask: Ask,
    progress: Callable[[int], None] = lambda done: None,
) -> Judgments:
    """Questions on passages of as many documents as there are, the same passages each time.

    The document that a question was made from counts as relevant, and no other. What is no
    question is left out, and another passage takes its place.

    Raises `SetupError` if the model writes too few questions; what `ask` raises.
    """
    passages = sample(engine, vectors, collection, count=2 * count)
    found: dict[str, JudgedQuery] = {}
    for passage in passages:
        said = ask([Message("user", _PROMPT.format(text=passage.text[:MAX_CHARS]))])
        question = question_in(said)
        if question is not None:
            name = stable_id(passage.chunk_id, question)
            found.setdefault(
                question.casefold(), JudgedQuery(name, question, {passage.document_id: 1})
            )
            progress(len(found))
        if len(found) == count:
            break
    if len(found) < count / 2:
        raise SetupError(
            f"The language model wrote {len(found)} questions on {len(passages)} passages.",
            "Use a larger model, or judge queries by hand.",
        )
    return Judgments(tuple(found.values()), f"{len(found)} generated questions")


def question_in(said: str) -> str | None:
    """The first question in what a model said; None if there is none."""
    match = _QUESTION.search(said)
    return _LABEL.sub("", match[0]) if match else None


def sample(engine: Engine, vectors: VectorStore, collection: str, *, count: int) -> list[Chunk]:
    """Passages that are long enough, one of each document first; always the same ones.

    Ids are hashes, so the first ones by id are as good as drawn by lot.
    """
    physical = collections.get(engine, collection).physical
    kept: dict[str, list[Chunk]] = {}
    for chunk in _current(engine, vectors, physical):
        if len(chunk.text) < MIN_CHARS:
            continue
        own = kept.setdefault(chunk.document_id, [])
        own.append(chunk)
        own.sort(key=lambda item: item.chunk_id)
        del own[_EACH:]
        if len(kept) > 2 * count:
            kept = {name: kept[name] for name in sorted(kept)[:count]}
    turns = itertools.zip_longest(*(kept[name] for name in sorted(kept)))
    return [chunk for turn in turns for chunk in turn if chunk is not None][:count]


def _current(engine: Engine, vectors: VectorStore, physical: str) -> Iterator[Chunk]:
    for batch in vectors.scan(physical):
        rows = documents.by_id(engine, {item.chunk.document_id for item in batch})
        for item in batch:
            row = rows.get(item.chunk.document_id)
            if row and row.searchable and row.indexed_version == item.chunk.version:
                yield item.chunk
