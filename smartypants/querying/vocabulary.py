"""The words that a collection's documents have, for spelling; built in the background.

It is read from the vector store, so that it works with any, and counts each word by the ACLs of
its documents: nobody is offered a word that only documents of others have, and what others have
does not decide which of two words is offered.
"""

from __future__ import annotations

import re
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog

from smartypants.errors import SmartyPantsError
from smartypants.protocols import VectorStore

log = structlog.get_logger(__name__)

MIN_LETTERS, MAX_LETTERS = 4, 30
MAX_WORDS = 300_000
"""About 100 MB. The words that come first stay; corrections to others are not made then."""
MAX_COUNTS = 1_000_000
"""Of words by ACLs. Beyond, a word is not offered to readers of yet other ACLs."""
MAX_CHUNKS = 500_000
MAX_COLLECTIONS = 16
REBUILD_S = 60.0
"""A vocabulary that its collection has outgrown is made anew this long after, at the earliest."""
REBUILD_SHARE = 20.0
"""And so many times as long after as making it took."""
NAP_S = 0.005

_LETTERS = re.compile(r"[^\W\d_]+")


def folded(text: str) -> str:
    """Lower case, without accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text).lower()
    return "".join(char for char in plain if not unicodedata.combining(char))


def words(text: str) -> set[str]:
    """The words of a text that may be corrected, or corrected to."""
    found = _LETTERS.findall(folded(text))
    return {word for word in found if MIN_LETTERS <= len(word) <= MAX_LETTERS}


@dataclass(slots=True)
class Vocabulary:
    """`counts`: in how many chunks a word stands, by the ACLs of their documents."""

    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    by_length: dict[int, list[str]] = field(default_factory=dict)
    size: int = 0

    def add(self, text: str, acl_id: int) -> None:
        for word in words(text):
            known = self.counts.get(word)
            if known is None:
                if len(self.counts) >= MAX_WORDS:
                    continue
                self.by_length.setdefault(len(word), []).append(word)
                known = self.counts[word] = {}
            if acl_id not in known:
                if self.size >= MAX_COUNTS:
                    continue
                self.size += 1
            known[acl_id] = known.get(acl_id, 0) + 1

    def readable(self, word: str, acl_ids: frozenset[int]) -> bool:
        """Whether a document with one of these ACLs has the word."""
        return not acl_ids.isdisjoint(self.counts.get(word, ()))

    def frequency(self, word: str, acl_ids: frozenset[int]) -> int:
        """In how many chunks with one of these ACLs the word stands."""
        known = self.counts.get(word, {})
        return sum(count for acl_id, count in known.items() if acl_id in acl_ids)


def build(texts: Iterable[Sequence[tuple[str, int]]], *, nap_s: float = 0.0) -> Vocabulary:
    """Of batches of texts with their ACLs, with a pause after each batch."""
    found = Vocabulary()
    chunks = 0
    for batch in texts:
        for text, acl_id in batch:
            found.add(text, acl_id)
        chunks += len(batch)
        if chunks >= MAX_CHUNKS:
            break
        time.sleep(nap_s)
    return found


@dataclass(frozen=True, slots=True)
class _Built:
    vocabulary: Vocabulary
    epoch: int
    at: float
    seconds: float


class Vocabularies:
    """Vocabularies by physical collection, each of the epoch at which it was begun.

    `of` never waits: a vocabulary that is missing is made by a thread of its own, and one that
    is outdated serves until the next is made. Whoever corrects a word asks the index again.
    """

    def __init__(self, vectors: VectorStore) -> None:
        self._vectors = vectors
        self._lock = threading.Lock()
        self._built: OrderedDict[str, _Built] = OrderedDict()
        self._building: set[str] = set()

    def of(self, physical: str, epoch: int) -> Vocabulary | None:
        """None while the first one is being made."""
        with self._lock:
            known = self._built.get(physical)
            if known is not None:
                self._built.move_to_end(physical)
            # One collection at a time: the threads would only take turns.
            if not self._building and _due(known, epoch):
                self._building.add(physical)
                threading.Thread(target=self._build, args=(physical, epoch), daemon=True).start()
            return known.vocabulary if known is not None else None

    def _build(self, physical: str, epoch: int) -> None:
        started = time.monotonic()
        try:
            batches = (
                [(stored.chunk.searched_text, stored.acl_id) for stored in batch]
                for batch in self._vectors.scan(physical)
            )
            found = build(batches, nap_s=NAP_S)
            now = time.monotonic()
            log.info(
                "vocabulary_built",
                collection=physical,
                words=len(found.counts),
                seconds=round(now - started, 2),
            )
            with self._lock:
                self._built[physical] = _Built(found, epoch, now, now - started)
                self._built.move_to_end(physical)
                for name in list(islice(self._built, max(len(self._built) - MAX_COLLECTIONS, 0))):
                    del self._built[name]
        except SmartyPantsError as exc:
            log.warning("vocabulary_failed", collection=physical, error=str(exc))
        finally:
            with self._lock:
                self._building.discard(physical)


def _due(known: _Built | None, epoch: int) -> bool:
    if known is None:
        return True
    age = time.monotonic() - known.at
    return known.epoch != epoch and age > max(REBUILD_S, REBUILD_SHARE * known.seconds)
