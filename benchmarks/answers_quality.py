"""What answers are worth: saying that there is none, citations, extractive answers.

No answer: mtrag-un. Answerable: last turns whose passages are in the corpus. The texts of its 97
unanswerable last turns are not in our copy of the set, so two stand-ins take their place:
`refused`, user turns in the histories that the annotated agent answered by saying that the
documents don't tell; and `goldless`, the answerable questions, searched with all their passages
taken out. Turns are asked as they are, not rewritten. The regression is fitted on one half of
the conversations against `refused` and reported on the other half. Search: exact dense and BM25,
fused as in the product, `answers.top_k` hits.

Extractive: XQuAD (English), the share of questions whose answer, word for word, is in the first
1, 2, 3 sentences, chosen by terms (the product) or by vectors.

Citations: with `--generate N`, the language model answers the first N XQuAD questions; the share
of sentences with a citation, and of citations that are text of their document. Passages in two
orders; a model of 135 M parameters is no measure of orders, the figures only show the effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from benchmarks._no_answer import no_answer
from benchmarks._offline import Asked, indexed
from smartypants import answering, wiring
from smartypants.citing import Aligner, CitationStream, is_text_of
from smartypants.extractive import extract
from smartypants.options.answering import AnswerSettings
from smartypants.packing import best_at_the_ends, pack
from smartypants.prompts import answer_messages
from smartypants.protocols import LLM, Embedder, Engine
from smartypants.sentences import spans
from smartypants.settings import Settings
from smartypants.types import SamplingParams, SearchHit


def main() -> None:
    parser = _common.arguments("answers_quality", __doc__)
    parser.add_argument("--data", type=Path, default=_common.DATA, metavar="DIR",
                        help="the folder that has mtrag-un and xquad")  # fmt: skip
    parser.add_argument("--generate", type=int, default=0, metavar="N")
    options = parser.parse_args()
    figures: Figures = {}
    with _common.data_dir(options.reuse) as folder:
        settings = _common.own_settings(folder)
        embedder = wiring.make_embedder(settings, workers=1)
        if not options.quick:
            figures |= no_answer(options.data / "mtrag-un", embedder, settings.answers)
        figures |= extractive(options.data / "xquad", embedder, settings.answers)
        if options.generate:
            figures |= generated(options.data / "xquad", embedder, settings, options.generate)
    table = Table("figure", "value", title="Answers")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    _common.show(table)
    _common.write_json(options.json, figures)


# --- extractive ----------------------------------------------------------------------------


def extractive(folder: Path, embedder: Embedder, settings: AnswerSettings) -> Figures:
    data, answers = _beir.load(folder), _beir.answers(folder)
    index = indexed(data, embedder)
    texts = list(data.queries.values())
    vectors = embedder.embed(texts)
    places = {
        passage.text[start:end]: 0 for passage in data.corpus for start, end in spans(passage.text)
    }
    places = {text: place for place, text in enumerate(places)}
    sentences = embedder.embed(list(places))
    chosen: dict[str, Callable[[str, int, Sequence[SearchHit]], list[str]]] = {
        "terms": lambda text, _, hits: [c.passage for c in extract(text, hits, sentences=3)],
        "vectors": lambda _, number, hits: sorted(
            dict.fromkeys(
                hit.chunk.text[a:b] for hit in hits for a, b in spans(hit.chunk.text)
            ),
            key=lambda part: -float(sentences[places[part]] @ vectors[number]),
        )[:3],
    }  # fmt: skip
    got: dict[tuple[str, int], int] = {(how, k): 0 for how in chosen for k in (1, 2, 3)}
    refused = genuine = cited = 0
    for number, (key, text) in enumerate(data.queries.items()):
        hits = index.search(Asked(text, vectors[number]), top_k=settings.top_k)
        refused += not answering.relevant(text, hits, settings=settings)
        for citation in extract(text, hits, sentences=3):
            cited += 1
            genuine += any(is_text_of(citation, hit) for hit in hits)
        for how, choose in chosen.items():
            parts = choose(text, number, hits)
            for k in (1, 2, 3):
                got[how, k] += any(_plain(answers[key]) in _plain(part) for part in parts[:k])
    figures = {f"extractive.{how}.answer@{k}": n / len(texts) for (how, k), n in got.items()}
    figures["extractive.genuine"] = genuine / cited
    figures["no_answer.xquad.false_refusals"] = refused / len(texts)
    return figures


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


# --- generated -----------------------------------------------------------------------------

ORDERS: Mapping[str, Callable[[Sequence[SearchHit]], list[SearchHit]]] = {
    "ends": best_at_the_ends,
    "best_last": lambda hits: list(hits)[::-1],
}


@dataclass(frozen=True, slots=True)
class Said:
    """One generated answer."""

    text: str
    sentences: int
    supported: int
    citations: int
    genuine: int


def generated(folder: Path, embedder: Embedder, settings: Settings, number: int) -> Figures:
    data, answers = _beir.load(folder), _beir.answers(folder)
    index = indexed(data, embedder)
    step = max(len(data.queries) // number, 1)
    asked = dict(list(data.queries.items())[::step][:number])
    vectors = embedder.embed(list(asked.values()))
    count_tokens = wiring.token_counter(settings)
    packed = {}
    for (key, text), vector in zip(asked.items(), vectors, strict=True):
        hits = index.search(Asked(text, vector), top_k=settings.answers.top_k)
        budget = settings.answers.context_tokens
        packed[key] = pack(hits, budget=budget, count_tokens=count_tokens)

    async def everything() -> Figures:
        llm = wiring.make_llm(settings)
        figures: Figures = {}
        try:
            for name, order in ORDERS.items():
                slots = asyncio.Semaphore(8)
                jobs = [
                    say(llm, slots, asked[key], hits, order(hits), settings.answers)
                    for key, hits in packed.items()
                ]
                found = dict(zip(packed, await asyncio.gather(*jobs), strict=True))
                right = [_plain(answers[key]) in _plain(said.text) for key, said in found.items()]
                sentences = sum(said.sentences for said in found.values())
                citations = sum(said.citations for said in found.values())
                figures |= {
                    f"generated.{name}.contains_answer": float(np.mean(right)),
                    f"generated.{name}.sentences": float(sentences),
                    f"generated.{name}.cited_share": sum(s.supported for s in found.values())
                    / max(sentences, 1),
                    f"generated.{name}.genuine": sum(s.genuine for s in found.values())
                    / max(citations, 1),
                }
        finally:
            if isinstance(llm, Engine):
                llm.shutdown()
        return figures

    return asyncio.run(everything())


async def say(
    llm: LLM,
    slots: asyncio.Semaphore,
    question: str,
    hits: Sequence[SearchHit],
    ordered: Sequence[SearchHit],
    settings: AnswerSettings,
) -> Said:
    stream = CitationStream(Aligner(hits, min_support=settings.min_support))
    messages = answer_messages(question, ordered)
    async with slots:
        deltas = llm.generate(messages, SamplingParams(max_tokens=64), request_id=uuid4().hex)
        async with aclosing(deltas):
            async for delta in deltas:
                list(stream.feed(delta.text))
    list(stream.finish())
    genuine = sum(any(is_text_of(c, hit) for hit in hits) for c in stream.citations)
    return Said(stream.text, stream.sentences, stream.supported, len(stream.citations), genuine)


if __name__ == "__main__":
    main()
