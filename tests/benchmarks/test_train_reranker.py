"""A real training, small: capitals, whose names the negatives lack."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import train_reranker
from smartypants.rerankers.cross_encoder import CrossEncoderReranker

pytestmark = pytest.mark.integration

COUNTRIES = [
    "France", "Spain", "Italy", "Norway", "Sweden", "Poland", "Greece", "Turkey", "Egypt",
    "Kenya", "Ghana", "Japan", "India", "Nepal", "China", "Brazil", "Chile", "Peru", "Cuba",
    "Canada", "Mexico", "Iran", "Iraq", "Oman", "Malta",
]  # fmt: skip
KINDS = {"food": "a dish with rice", "river": "a long water", "king": "a ruler of old"}


@pytest.mark.timeout(300)
def test_learns_to_tell_relevant_passages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for country in COUNTRIES:
        for kind, text in KINDS.items():
            name = f"{country}-{kind}"
            corpus.append({"_id": name, "title": "", "text": f"In {country} there is {text}."})
        queries.append({"_id": country, "text": f"Who reigned in {country}?"})
        qrels.append(f"{country}\t{country}-king\t1")
    for name, rows in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    (tmp_path / "qrels.tsv").write_text("\n".join(qrels) + "\n")
    out = tmp_path / "model"
    arguments = {
        "--corpus": tmp_path / "corpus.jsonl", "--queries": tmp_path / "queries.jsonl",
        "--qrels": tmp_path / "qrels.tsv", "--out": out, "--titles": 0, "--epochs": 12,
        "--max-length": 32, "--lr": "2e-4", "--threads": 1, "--json": tmp_path / "figures.json",
    }  # fmt: skip
    flat = [str(part) for item in arguments.items() for part in item]
    monkeypatch.setattr(sys, "argv", ["train_reranker", *flat])
    train_reranker.main()
    held_out = json.loads((out / "held_out.json").read_text())
    assert len(held_out) == 6
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["train.held_out"] == 6
    assert figures["train.ndcg@10.reranked"] > 0.9
    reranker = CrossEncoderReranker(path=str(out), model="mine", device="cpu", threads=1)
    texts = [f"In {held_out[0]} there is {text}." for text in KINDS.values()]
    scores = reranker.scores(f"Who reigned in {held_out[0]}?", texts)
    assert scores.index(max(scores)) == 2
