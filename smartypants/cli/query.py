"""`smartypants search` and `smartypants ask`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from smartypants.choices import chosen
from smartypants.cli import client
from smartypants.cli.output import CollectionName, Json, out, print_json, reporting

TopK = Annotated[int | None, typer.Option("--top-k", "-k", help="How many passages.")]


def search(
    query: str, collection: CollectionName = None, top_k: TopK = None, json: Json = False
) -> None:
    """Find passages."""
    with reporting(json) as settings:
        body = {
            "query": query,
            "collection": collection or settings.default_collection,
            "top_k": top_k or 5,
        }
        found = client.request(settings, "POST", "/v1/search", json=body)
        if json:
            return print_json(found)
        for number, hit in enumerate(found["hits"], start=1):
            _print_hit(number, hit)
        if not found["hits"]:
            out.print("Nothing found.")
        accidents = {step: why for step, why in found["skipped"].items() if not chosen(why)}
        for step, why in accidents.items():
            out.print(f"({step} skipped: {why})", style="dim")


def ask(
    question: str, collection: CollectionName = None, top_k: TopK = None, json: Json = False
) -> None:
    """Answer a question from the documents, with citations, as it is written."""
    with reporting(json) as settings:
        body: dict[str, Any] = {
            "question": question,
            "collection": collection or settings.default_collection,
        }
        if top_k is not None:
            body["top_k"] = top_k
        if json:
            return print_json(client.request(settings, "POST", "/v1/answers", json=body))
        citations: list[dict[str, Any]] = []
        whole: dict[str, Any] = {}
        for event, data in client.events(settings, "/v1/answers", {**body, "stream": True}):
            if event == "token":
                out.print(data["text"], end="", markup=False, soft_wrap=True)
            elif event == "citation":
                citations.append(data)
            elif event == "answer":
                whole = data
        out.print()
        for citation in citations:
            _print_citation(citation)
        if whole.get("found") and not citations:
            out.print("(No passage supports this answer: do not rely on it.)", style="yellow")


def _print_hit(number: int, hit: dict[str, Any]) -> None:
    place = _place(hit)
    out.print(f"[bold]{number}.[/bold] ", end="")
    out.print(f"{hit['title']}{place}", markup=False, end="")
    out.print(f"  {hit['score']:.4f}", style="dim")
    text = " ".join(hit["text"].split())
    out.print(f"   {text[:240]}{'…' if len(text) > 240 else ''}", markup=False, style="dim")


def _print_citation(citation: dict[str, Any]) -> None:
    passage = " ".join(citation["passage"].split())
    out.print(f"[{citation['number']}] {citation['title']}{_place(citation)}", markup=False)
    out.print(f"    “{passage}”", markup=False, style="dim")


def _place(item: dict[str, Any]) -> str:
    section = f" › {item['section']}" if item["section"] else ""
    page = f", {_page(item['page'])}" if item["page"] else ""
    return section + page


def _page(label: str) -> str:
    return f"page {label}" if label.isdigit() else label
