from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.errors import VectorStoreUnavailable
from smartypants.querying import vocabulary as vocabularies
from smartypants.querying.spelling import correct
from smartypants.querying.vocabulary import Vocabularies, Vocabulary, build
from smartypants.types import Chunk, StoredChunk

TEXTS = [
    ("The harbour charges a berthing fee; the harbor master collects it.", 1),
    ("Harbour fees are due monthly. Biomaterials lack inductive properties.", 1),
    ("The zeppelin project of the board is confidential.", 2),
]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return build([TEXTS])


def fixed(
    text: str,
    vocabulary: Vocabulary,
    *,
    acl_ids: tuple[int, ...] = (1,),
    indexed: tuple[str, ...] | None = None,
    keep: tuple[str, ...] = (),
) -> str:
    def known(word: str) -> bool:
        if indexed is not None:
            return word in indexed
        return any(acl in acl_ids and word in text.lower() for text, acl in TEXTS)

    return correct(text, vocabulary, acl_ids=acl_ids, indexed=known, keep=keep)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("harbuor fees", "harbour fees"),  # swapped
        ("the harboour?", "the harbour?"),  # one too many
        ("Monthy charges", "monthly charges"),
        ("biomaterals", "biomaterials"),
        ("biomatterils", "biomaterials"),  # two edits of a long word
        ("harbzzr", "harbzzr"),  # two edits of a short one
        ("mnthly bertthing", "monthly berthing"),
        ("feez", "feez"),  # too short
        ("HARBUOR", "HARBUOR"),  # an abbreviation for all we know
        ("HarBuor", "HarBuor"),
        ("harbuor2", "harbuor2"),
        ("harbour's feees", "harbour's fees"),
    ],
)
def test_misspelt_words(vocabulary: Vocabulary, text: str, expected: str) -> None:
    assert fixed(text, vocabulary) == expected


def test_words_of_documents_stay_however_near_others_are(vocabulary: Vocabulary) -> None:
    assert fixed("harbor harbour", vocabulary) == "harbor harbour"


def test_what_was_indexed_since_is_known(vocabulary: Vocabulary) -> None:
    assert fixed("harbuor", vocabulary, indexed=("harbuor", "harbour")) == "harbuor"
    assert fixed("harbuor", vocabulary, indexed=()) == "harbuor"  # and what is gone is not offered


def test_phrases_stay(vocabulary: Vocabulary) -> None:
    assert fixed("harbuor monthy", vocabulary, keep=("the Harbuor",)) == "harbuor monthly"


def test_words_of_what_others_may_read_are_not_told(vocabulary: Vocabulary) -> None:
    assert fixed("zepelin", vocabulary) == "zepelin"
    assert fixed("zepelin", vocabulary, acl_ids=(1, 2)) == "zeppelin"
    assert fixed("zepelin", vocabulary, acl_ids=()) == "zepelin"


STEMS = st.sampled_from(["harbour", "harbor", "charge", "charged", "zeppelin", "zeppelins"])


@given(
    texts=st.lists(st.tuples(st.lists(STEMS, max_size=3).map(" ".join), st.integers(1, 3))),
    word=st.sampled_from(["harbuor", "harbou", "chargee", "zepelin", "zeppelinn"]),
)
def test_what_is_not_readable_changes_nothing(texts: list[tuple[str, int]], word: str) -> None:
    mine = [(text, acl) for text, acl in texts if acl == 1]

    def indexed(word: str) -> bool:
        return any(word in text.split() for text, _ in mine)

    whole, own = (
        correct(word, build([known]), acl_ids=(1,), indexed=indexed) for known in (texts, mine)
    )
    assert whole == own


@given(st.text())
def test_any_text_and_only_words_change(text: str) -> None:
    made, wrong = correct(text, build([TEXTS]), acl_ids=(1,), indexed=lambda word: True)
    assert (made, wrong) == (text, {})
    made, wrong = correct(
        text, build([TEXTS]), acl_ids=(1,), indexed=lambda word: word in "harbour"
    )
    assert (made == text) == (not wrong)


class Store:
    """As much of a store as is read here."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.scans = 0
        self.down = False

    def scan(
        self, physical: str, *, vectors: bool = False, document_ids: Sequence[str] = ()
    ) -> Iterator[list[StoredChunk]]:
        self.scans += 1
        self.gate.wait(10)
        if self.down:
            raise VectorStoreUnavailable("It is down.")
        chunk = Chunk("d", "v", 0, f"Words of {physical}", 0, 1)
        yield [StoredChunk(chunk, chunk.chunk_id, 1, "s")]


def waited(vocabulary: Vocabularies, name: str, epoch: int) -> Vocabulary:
    for _ in range(200):
        found = vocabulary.of(name, epoch)
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("it was never made")


def test_made_in_the_background_once_and_again_when_outdated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store()
    kept = Vocabularies(store)  # type: ignore[arg-type]
    assert kept.of("harbour", 1) is None
    assert kept.of("harbour", 1) is None
    store.gate.set()
    first = waited(kept, "harbour", 1)
    assert set(first.counts) == {"words", "harbour"}
    assert kept.of("harbour", 2) is first  # too soon
    assert store.scans == 1
    monkeypatch.setattr(vocabularies, "REBUILD_S", 0.0)
    monkeypatch.setattr(vocabularies, "REBUILD_SHARE", 0.0)
    assert kept.of("harbour", 1) is first
    assert store.scans == 1
    kept.of("harbour", 2)
    for _ in range(200):
        if kept.of("harbour", 2) is not first:
            break
        time.sleep(0.02)
    assert store.scans == 2


def test_a_store_that_is_down_costs_nothing_but_the_step() -> None:
    store = Store()
    store.gate.set()
    store.down = True
    kept = Vocabularies(store)  # type: ignore[arg-type]
    for _ in range(3):
        assert kept.of("harbour", 1) is None
        time.sleep(0.05)
    store.down = False
    assert waited(kept, "harbour", 1).counts["harbour"] == {1: 1}


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabularies, "MAX_WORDS", 3)
    monkeypatch.setattr(vocabularies, "MAX_CHUNKS", 2)
    monkeypatch.setattr(vocabularies, "MAX_COUNTS", 4)
    batches = [[("alpha beta gamma delta alpha", 1), ("alpha gamma", 2)], [("gamma", 3)]]
    found = build(batches)
    assert len(found.counts) == 3
    assert found.size == 4 == sum(map(len, found.counts.values()))
    assert not any(3 in by_acl for by_acl in found.counts.values())
