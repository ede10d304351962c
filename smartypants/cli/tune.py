"""`smartypants tune`: find the recipe that suits a collection, by judged queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from sqlalchemy import Engine

from smartypants import runtime, wiring
from smartypants.cli import client
from smartypants.cli.output import Json, err, out, print_json, reporting
from smartypants.errors import InvalidRequest
from smartypants.ledger import collections, recipes
from smartypants.ledger.database import migrate
from smartypants.protocols import VectorStore
from smartypants.settings import Settings
from smartypants.tuning import judgments as judging
from smartypants.tuning.evidence import Evidence
from smartypants.tuning.generating import generate
from smartypants.tuning.judgments import Judgments
from smartypants.tuning.tune import Report, Tuned, check_enough
from smartypants.tuning.tune import tune as find
from smartypants.types import Message

SHOWN = 8
QUESTION_TOKENS = 80


def tune(
    collection: str,
    queries: Annotated[
        Path | None, typer.Option(help='Lines of {"_id": …, "text": …}; with --qrels.')
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="Lines of query id, document and grade, parted by tabs.")
    ] = None,
    generate: Annotated[
        int, typer.Option(help="Have the language model write so many questions.", min=0)
    ] = 0,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Use what users said of hits (POST /v1/feedback).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure, and change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure how searches of a collection are best made, and make them so from now on.

    Compares both legs, their fusions, depths and reranking on judged queries. A recipe that is
    more than 0.002 nDCG@10 below the better leg on queries held out is never used.
    """
    with reporting(json) as settings:
        if settings.embedded_vectors:
            runtime.require_running(settings)
        engine, vectors = wiring.open_ledger(settings), wiring.open_vectors(settings)
        migrate(engine)
        collections.get(engine, collection)
        with _bars() as report:
            judged = _judgments(
                settings, engine, vectors, collection, queries, qrels, generate, feedback, report
            )
            check_enough(judged)  # before models are loaded
            before = recipes.active(engine, collection)
            tuned = find(
                judged,
                before.recipe if before else settings.retrieval,
                collection=collection,
                engine=engine,
                vectors=vectors,
                embedder=wiring.make_embedder(settings),
                reranker=wiring.make_reranker(settings),
                report=report,
            )
        if not dry_run:
            evidence = tuned.evidence.model_dump(mode="json")
            recipes.activate(engine, collection, tuned.recipe, evidence=evidence)
        if json:
            return print_json({"activated": not dry_run} | described(tuned))
        print_evidence(tuned.evidence)
        done = "It would be used." if dry_run else "Searches use it from now on."
        out.print(f"[bold]{tuned.evidence.chosen}[/bold]. {done}")


def described(tuned: Tuned) -> dict[str, object]:
    """The recipe and its evidence, for JSON."""
    return {
        "version": tuned.recipe.version,
        "recipe": tuned.recipe.model_dump(mode="json"),
        "evidence": tuned.evidence.model_dump(mode="json"),
    }


def print_evidence(found: Evidence) -> None:
    """The best recipes by name, and what the gate said."""
    held = "cross-validated" if found.cross_validated else f"{found.held_out_queries} held out"
    table = Table("recipe", "nDCG@10, train", "nDCG@10, held out")
    ranked = sorted(found.scores, key=lambda item: -item.train)
    named = {found.chosen, found.before, found.gate.best_single, found.gate.proposed}
    for number, item in enumerate(ranked):
        if number < SHOWN or item.name in named:
            table.add_row(item.name, f"{item.train:.4f}", f"{item.held_out:.4f}")
    out.print(table)
    out.print(
        f"{found.train_queries} queries ({held}) by {found.judgments}; "
        f"{found.embedding_model}, reranker: {found.reranker or 'none'}.",
        markup=False,
    )
    gate = found.gate
    out.print(
        f"Gate {'passed' if gate.passed else 'not passed'}: {gate.proposed} has "
        f"{gate.proposed_score:.4f} on held-out queries, the best leg alone "
        f"({gate.best_single}) {gate.best_single_score:.4f}. Chosen: {found.chosen}.",
        markup=False,
    )


def _judgments(
    settings: Settings,
    engine: Engine,
    vectors: VectorStore,
    collection: str,
    queries: Path | None,
    qrels: Path | None,
    count: int,
    feedback: bool,
    report: Report,
) -> Judgments:
    files = queries is not None or qrels is not None
    if files + (count > 0) + feedback != 1:
        raise InvalidRequest(
            "Where the judgments come from is not clear.",
            "Give --queries and --qrels, or --generate N, or --feedback.",
        )
    if feedback:
        return judging.from_feedback(engine, collection)
    if count:
        return generate(
            engine,
            vectors,
            collection,
            count=count,
            ask=_llm(settings),
            progress=lambda done: report("questions written", done, count),
        )
    if queries is None or qrels is None:
        raise InvalidRequest("--queries and --qrels belong together.", "Give both.")
    return judging.from_files(engine, collection, queries, qrels)


def _llm(settings: Settings) -> Callable[[Sequence[Message]], str]:
    def ask(messages: Sequence[Message]) -> str:
        body = {
            "model": settings.llm.name,
            "messages": [{"role": item.role, "content": item.content} for item in messages],
            "max_tokens": QUESTION_TOKENS,
            "temperature": 0.0,
        }
        found = client.request(settings, "POST", "/v1/chat/completions", json=body)
        said: str = found["choices"][0]["message"]["content"]
        return said

    return ask


@contextmanager
def _bars() -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def report(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total)
            bar.update(tasks[phase], completed=done)

        yield report
