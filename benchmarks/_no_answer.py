"""How well "no answer" is told: the product's coefficients, and those that its data gives."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import _beir
from benchmarks._common import Figures
from benchmarks._offline import Asked, indexed
from smartypants.answerability import COEFFICIENTS, INTERCEPT, features
from smartypants.options.answering import AnswerSettings
from smartypants.protocols import Embedder

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
_REFUSAL = re.compile(
    r"^\W*(?:I'?m|I am|unfortunately|sorry|my apologies|I apologi[sz]e|I do ?n[o']t|I don’t|"
    r"I cannot|I can ?not|I can't|I have no|there is no (?:specific )?information|"
    r"the documents? do(?:es)?)\b.*\b(?:not|no|n't|sorry|unable)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAX_REFUSAL = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """A question, whether the passages answer it, and what is taken out of them before."""

    kind: str
    conversation: str
    text: str
    without: frozenset[str] = frozenset()

    @property
    def training(self) -> bool:
        return hashlib.blake2b(self.conversation.encode(), digest_size=1).digest()[0] % 2 == 0


def no_answer(folder: Path, embedder: Embedder, settings: AnswerSettings) -> Figures:
    data = _beir.load(folder)
    index = indexed(data, embedder)
    judged = list(_judged(folder, data))
    vectors = embedder.embed([item.text for item in judged])
    seen = np.array(
        [
            astuple(features(item.text, index.search(Asked(item.text, vector),
                                                     top_k=settings.top_k, without=item.without)))
            for item, vector in zip(judged, vectors, strict=True)
        ]
    )  # fmt: skip
    kinds = np.array([item.kind for item in judged])
    training = np.array([item.training for item in judged])
    used = training & (kinds != "goldless")
    fitted = fit(seen[used], kinds[used] == "answerable")
    product = np.array([INTERCEPT, *astuple(COEFFICIENTS)])
    figures: Figures = {
        f"no_answer.{kind}": float(np.sum(kinds == kind))
        for kind in ("answerable", "refused", "goldless")
    }
    names = ("intercept", "similarity", "coverage")
    figures |= {f"no_answer.fitted.{n}": float(v) for n, v in zip(names, fitted, strict=True)}
    given = probability(product, seen)
    for against in ("refused", "goldless"):
        told = ~training & (kinds == against)
        held = ~training & (kinds == "answerable")
        figures[f"no_answer.{against}.auc"] = auc(given[held], given[told])
        figures[f"no_answer.{against}.auc_similarity_alone"] = auc(seen[held, 0], seen[told, 0])
        for threshold in THRESHOLDS:
            refused = float(np.mean(given[told] < threshold))
            false = float(np.mean(given[held] < threshold))
            prefix = f"no_answer.{against}@{threshold}"
            figures[f"{prefix}.told"] = refused
            figures[f"{prefix}.false_refusals"] = false
            figures[f"{prefix}.balanced_accuracy"] = (refused + 1 - false) / 2
    return figures


def _judged(folder: Path, data: _beir.RetrievalSet) -> Iterator[Judged]:
    with gzip.open(folder / "answers.json.gz", "rt", encoding="utf-8") as file:
        tasks: Mapping[str, Any] = json.load(file)
    for key, text in data.queries.items():
        if tasks[key]["answerability"] == "ANSWERABLE":
            conversation = key.split("_")[0]
            yield Judged("answerable", conversation, text)
            yield Judged("goldless", conversation, text, frozenset(data.qrels[key]))
    for key, task in tasks.items():
        turns = task["history"]
        for (speaker, text), (_, answer) in pairwise(turns):
            if speaker == "user" and len(answer) < _MAX_REFUSAL and _REFUSAL.search(answer):
                yield Judged("refused", key.split("_")[0], text)


def fit(seen: NDArray[np.float64], answered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Logistic regression by Newton's method, classes weighted alike: intercept, then weights."""
    design = np.column_stack([np.ones(len(seen)), seen])
    weight = np.where(answered, 0.5 / answered.mean(), 0.5 / (~answered).mean())
    found = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ found))
        gradient = design.T @ (weight * (answered - p)) - 1e-3 * found
        hessian = (design.T * (weight * p * (1 - p))) @ design + 1e-3 * np.eye(len(found))
        found = found + np.linalg.solve(hessian, gradient)
    return np.asarray(found)


def probability(
    coefficients: NDArray[np.float64], seen: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-(coefficients[0] + seen @ coefficients[1:]))))


def auc(above: NDArray[np.float64], below: NDArray[np.float64]) -> float:
    """The chance that one of `above` is greater than one of `below`, ties counting half."""
    pairs = above[:, None] - below[None, :]
    return float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
