"""What the safety steps catch, and what they take for harm that is none.

- injection: attacks in nine styles and twelve languages (`benchmarks/injections/`), as they are and
  within a passage of the sample handbook, against harmless passages that look alike, and against
  all of xquad and a sample of scifact where `../shared/data` is. Each detector's threshold is
  chosen on one half (every second line) where catch less false alarms is most, and reported on
  the other; the shipped threshold is reported beside it.
- secrets: made-up ones in the forms of vendors, and prose about secrets.
- personal data: labelled sentences, by entity (needs the extra `safety`).
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.table import Table

from benchmarks import _common, injections
from benchmarks._beir import load
from benchmarks._common import Figures
from benchmarks._labelled import PERSONAL, PROSE, SECRETS, spans
from smartypants import registry
from smartypants.protocols import InjectionDetector
from smartypants.safety.options import PersonalDataOptions
from smartypants.safety.personal_data import PersonalData
from smartypants.safety.rules import RuleStream
from smartypants.safety.secrets import SECRETS as RULES
from smartypants.safety.streams import Findings

HANDBOOK = Path(__file__).parents[1] / "examples" / "handbook"
SCIFACT = 500
DETECTORS = ("heuristics", "model")


def main() -> None:
    parser = _common.arguments("safety", __doc__)
    options = parser.parse_args()
    figures: Figures = {}
    for name in DETECTORS:
        if name == "model" and find_spec("svguardian") is None:
            continue
        figures |= injection(name, quick=options.quick)
    figures |= secrets()
    if find_spec("presidio_analyzer") is not None:
        figures |= personal_data()
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    _common.show(table)
    _common.write_json(options.json, figures)


def injection(name: str, *, quick: bool) -> Figures:
    detector: InjectionDetector = registry.load("safety.injection", name)()
    attacks, lookalikes = injections.lines("attacks"), injections.lines("benign")
    carriers = itertools.cycle(_carriers())
    within = [_amid(attack, next(carriers)) for attack in attacks]
    started = time.perf_counter()
    alone = [detector.score(text) for text in attacks]
    buried = [detector.score(text) for text in within]
    harmless = [detector.score(text) for text in lookalikes]
    ms = 1000 * (time.perf_counter() - started) / (2 * len(attacks) + len(lookalikes))
    chosen = _threshold(alone[::2], harmless[::2])
    figures = {"threshold": chosen, "ms": ms}
    for label, threshold in (("chosen", chosen), ("shipped", detector.threshold)):
        figures |= {
            f"{label}.catch": _share(alone[1::2], threshold),
            f"{label}.catch_within": _share(buried[1::2], threshold),
            f"{label}.false_alarms": _share(harmless[1::2], threshold),
        }
    for corpus, texts in _ordinary(quick=quick):
        scores = [detector.score(text) for text in texts]
        figures[f"{corpus}.false_alarms"] = _share(scores, detector.threshold)
    return {f"injection.{name}.{key}": value for key, value in figures.items()}


def secrets() -> Figures:
    caught = sum(_found(text) > 0 for text in SECRETS)
    wrong = sum(_found(text) > 0 for text in PROSE)
    return {
        "secrets.catch": caught / len(SECRETS),
        "secrets.false_alarms": wrong / len(PROSE),
    }


def _found(text: str) -> int:
    findings = Findings()
    stream = RuleStream(RULES, findings)
    stream.feed(text)
    stream.finish()
    return findings.total()


def personal_data() -> Figures:
    """By entity: a find counts if it overlaps a labelled one of its kind."""
    everything = dict.fromkeys(PersonalDataOptions().entities, "mask")
    finder = PersonalData(PersonalDataOptions.model_validate({"entities": everything}))
    wanted, right, found = Counter[str](), Counter[str](), Counter[str]()
    for marked in PERSONAL:
        text, labels = spans(marked)
        hits = finder.find(text)
        wanted.update(kind for _, _, kind in labels)
        found.update(kind for _, _, kind in hits)
        for start, end, kind in labels:
            right[kind] += any(k == kind and s < end and start < e for s, e, k in hits)
    figures: Figures = {}
    for kind in sorted(wanted):
        figures[f"personal_data.{kind}.recall"] = right[kind] / wanted[kind]
        figures[f"personal_data.{kind}.precision"] = min(right[kind] / max(found[kind], 1), 1.0)
    return figures


def _threshold(attacks: Sequence[float], harmless: Sequence[float]) -> float:
    """Where most more attacks than harmless passages are suspected."""
    steps = [n / 20 for n in range(4, 20)] + [0.99]
    return max(steps, key=lambda t: _share(attacks, t) - _share(harmless, t))


def _share(scores: Sequence[float], threshold: float) -> float:
    return sum(score >= threshold for score in scores) / len(scores)


def _carriers() -> list[str]:
    texts = "\n\n".join(path.read_text() for path in sorted(HANDBOOK.rglob("*.md")))
    return [part for part in texts.split("\n\n") if len(part) > 200]


def _amid(attack: str, carrier: str) -> str:
    """The attack behind the first sentence of a passage."""
    head, mark, tail = carrier.partition(". ")
    return f"{head}{mark}{attack} {tail}"


def _ordinary(*, quick: bool) -> Iterator[tuple[str, list[str]]]:
    for name, most in (("xquad", 240), ("scifact", SCIFACT)):
        if (_common.DATA / name).exists():
            every = [f"{d.title}\n{d.text}" for d in load(_common.DATA / name).corpus]
            step = max(len(every) // most, 1) * (10 if quick else 1)
            yield name, every[::step]


if __name__ == "__main__":
    main()
