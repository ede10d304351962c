"""How often a semantic cache would be right, and how often wrong, over similarity thresholds.

The cache holds every question of XQuAD (English). Three kinds of questions come after:

- paraphrases: `data/paraphrases.jsonl`, written for 190 of them, by a language model. A hit is
  right if what was found has the same answer in the same paragraph.
- others: each question while it is not in the cache itself, most with several about the same
  paragraph left in it. A hit is wrong, unless what was found has the same answer there.
- altered: the 190 with one particular changed by rule: a number, a name, a negation, or a word
  for its opposite (first/last, before/after, …). Any hit is wrong.

Hit rate: right hits among paraphrases. Error rate: wrong hits among all hits, were paraphrases
and others asked equally often; `altered` are reported beside. Each with the check of particulars
and without, as typed and in lower case, where names don't show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from smartypants import wiring
from smartypants.particulars import Particulars, numbers, particulars

THRESHOLDS = (0.80, 0.85, 0.88, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98)
PARAPHRASES = Path(__file__).parent / "data" / "paraphrases.jsonl"
OPPOSITES = {
    "first": "last", "last": "first", "before": "after", "after": "before", "most": "least",
    "largest": "smallest", "more": "fewer", "north": "south", "western": "eastern",
    "beat": "lose to", "start": "end", "high": "low", "new": "old", "public": "private",
    "male": "female", "increased": "decreased", "strongest": "weakest", "best": "worst",
    "higher": "lower", "highest": "lowest", "begin": "end", "sometimes": "always",
    "usual": "unusual", "widely": "rarely", "usually": "rarely", "often": "seldom",
    "incorrectly": "correctly", "affluent": "poor", "inner": "outer", "quickly": "slowly",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    paragraph: str
    answer: str
    own: int = -1
    """Its place in the cache, where it must not be found; -1: it is not there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions of one kind, and for each its similarity to all in the cache."""

    questions: Sequence[Question]
    similar: NDArray[np.float32]


def main() -> None:
    parser = _common.arguments("semantic_cache", __doc__)
    parser.add_argument("--data", type=Path, default=_common.DATA / "xquad", metavar="DIR")
    options = parser.parse_args()
    figures: Figures = {}
    table = Table("threshold", "names", "check", "paraphrases right", "wrong", "others wrong",
                  "error rate", "number", "name", "negation", "opposite",
                  title="Semantic cache; the last four: altered questions that hit")  # fmt: skip
    with _common.data_dir(options.reuse) as folder:
        embedder = wiring.make_embedder(_common.own_settings(folder), workers=1)
        cached, paraphrases = load(options.data)
        kinds = {"paraphrases": paraphrases, "others": cached}
        kinds |= {name: list(altered(cached, paraphrases, name)) for name in ALTERATIONS}
        for names in ("typed",) if options.quick else ("typed", "lower"):
            change: Callable[[str], str] = str if names == "typed" else str.lower
            texts = dict.fromkeys(change(q.text) for items in kinds.values() for q in items)
            vectors = dict(zip(texts, embedder.embed(list(texts)), strict=True))
            matrix = np.stack([vectors[change(item.text)] for item in cached])
            held = [particulars(change(item.text)) for item in cached]
            asked = {
                kind: Asked(items, np.stack([vectors[change(q.text)] for q in items]) @ matrix.T)
                for kind, items in kinds.items()
            }
            for checked in (True, False):
                for threshold in THRESHOLDS:
                    row = measure(asked, cached, held if checked else None, threshold, change)
                    prefix = f"semantic.{names}.{'checked' if checked else 'bare'}@{threshold}"
                    figures |= {f"{prefix}.{name}": value for name, value in row.items()}
                    cells = [f"{100 * value:.1f} %" for value in row.values()]
                    table.add_row(str(threshold), names, "yes" if checked else "no", *cells)
    figures["semantic.pairs"] = len(paraphrases)
    figures |= {f"semantic.altered.{name}": len(kinds[name]) for name in ALTERATIONS}
    _common.show(table)
    _common.write_json(options.json, figures)


def load(folder: Path) -> tuple[list[Question], list[Question]]:
    """All questions of the set, and those paraphrased, in other words; `own` is its original."""
    data = _beir.load(folder)
    answers = _beir.answers(folder)
    cached = [
        Question(text, next(iter(data.qrels[key])), answers[key], place)
        for place, (key, text) in enumerate(data.queries.items())
    ]
    places = {key: place for place, key in enumerate(data.queries)}
    paraphrases = []
    for line in PARAPHRASES.read_text().splitlines():
        row = json.loads(line)
        original = cached[places[row["_id"]]]
        paraphrases.append(
            Question(row["paraphrase"], original.paragraph, original.answer, original.own)
        )
    return cached, paraphrases


def _number(text: str) -> str:
    return re.sub(r"\d+", lambda found: str(int(found[0]) + 1), text, count=1)


def _name(text: str, other: str) -> str:
    inside = re.search(r"(?<=[a-z,] )[A-Z][a-z]{2,}", text)
    return text if inside is None else text[: inside.start()] + other + text[inside.end() :]


def _negation(text: str) -> str:
    return re.sub(r"\b(did|does|do|is|are|was|were|can|would|has)\b", r"\1 not", text, count=1)


def _opposite(text: str) -> str:
    pattern = rf"\b({'|'.join(OPPOSITES)})\b"
    return re.sub(pattern, lambda found: OPPOSITES[found[0]], text, count=1)


ALTERATIONS = ("number", "name", "negation", "opposite")


def altered(
    cached: Sequence[Question], paraphrased: Sequence[Question], kind: str
) -> Iterator[Question]:
    """Questions with one particular changed; those that have none are left out.

    For opposites, which are rare, of all questions; else of those that have a paraphrase.
    """
    change: Mapping[str, Callable[[str], str]] = {
        "number": _number,
        "name": lambda text: _name(text, "Halvorsen"),
        "negation": _negation,
        "opposite": _opposite,
    }
    for item in cached if kind in ("opposite", "number") else paraphrased:
        original = cached[item.own].text
        text = change[kind](original)
        if text != original and (kind != "number" or numbers(text) != numbers(original)):
            yield Question(text, "", "", -1)


def measure(
    asked: Mapping[str, Asked],
    cached: Sequence[Question],
    held: Sequence[Particulars] | None,
    threshold: float,
    change: Callable[[str], str],
) -> Figures:
    """Shares of each kind's questions; the error rate's denominator is hits."""

    def shares(kind: str) -> tuple[float, float]:
        right = wrong = 0
        given = asked[kind]
        for item, similar in zip(given.questions, given.similar, strict=True):
            place = _nearest(similar, change(item.text), held, threshold,
                             without=item.own if kind == "others" else -1)  # fmt: skip
            if place is None:
                continue
            found = cached[place]
            same = (found.paragraph, found.answer) == (item.paragraph, item.answer)
            right, wrong = right + same, wrong + (not same)
        return right / len(given.questions), wrong / len(given.questions)

    right, wrong = shares("paraphrases")
    other_right, other_wrong = shares("others")
    hits = right + wrong + other_right + other_wrong
    return {
        "hit_rate": right,
        "wrong": wrong,
        "others_wrong": other_wrong,
        "error_rate": (wrong + other_wrong) / hits if hits else 0.0,
        **{name: shares(name)[1] for name in ALTERATIONS},
    }


def _nearest(
    similar: NDArray[np.float32],
    text: str,
    held: Sequence[Particulars] | None,
    threshold: float,
    *,
    without: int,
) -> int | None:
    """As `SemanticIndex.find` chooses."""
    near = np.flatnonzero(similar >= threshold)
    for place in near[np.argsort(-similar[near])].tolist():
        if place != without and (held is None or held[place].agree(_particulars(text))):
            return int(place)
    return None


_particulars = cache(particulars)


if __name__ == "__main__":
    main()
