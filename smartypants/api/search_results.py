"""What a search answers: hits, what was made of the query, and what each step cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pydantic import BaseModel, Field

from smartypants.surrounding import joined
from smartypants.types import Chunk, SearchHit, SearchResult, Step, Understanding


class Passage(BaseModel):
    """Text of the document from `start` to `end`."""

    text: str
    start: int
    end: int
    page: str | None = None


class Hit(BaseModel):
    """A passage: `text` is the document's text from `start` to `end`."""

    document_id: str
    chunk_id: str
    title: str
    uri: str
    source_id: str
    section: str = Field(description="The headings above it, outermost first.")
    page: str | None
    text: str
    start: int
    end: int
    score: float
    scores: dict[str, float] = Field(description="By step: what ranked it.")
    metadata: dict[str, str]
    copies: int = Field(0, description="Further passages that say the same.")
    neighbours: list[Passage] | None = Field(None, description="With `options.neighbours`.")
    parent: Passage | None = Field(
        None, description="With `options.parents`: the section; white space may differ."
    )
    explanation: dict[str, float] | None = Field(None, description="With `options.explain`.")
    flags: list[str] | None = Field(
        None,
        description="Of an answer's hits: `injection` where the text seems to hold instructions "
        "for a language model.",
    )


class AppliedFilters(BaseModel):
    """Those of the request and those found in the query; times are Unix seconds."""

    document_ids: list[str]
    source_ids: list[str]
    media_types: list[str]
    authors: list[str]
    after: float | None
    before: float | None


class UnderstoodQuery(BaseModel):
    """What was made of the query."""

    text: str = Field(description="What was searched for.")
    question: str = Field(description="The question, made whole where it leaned on earlier turns.")
    collection: str
    language: str | None = Field(description="ISO 639 code; null where it is not clear.")
    phrases: list[str]
    variants: list[str] = Field(description="What else was searched for, written by the LLM.")
    filters: AppliedFilters


class TraceStep(BaseModel):
    name: str
    ms: float
    detail: str


class SearchResponse(BaseModel):
    """Hits, best first; `skipped` names steps that were left out, and why."""

    hits: list[Hit]
    understood: UnderstoodQuery | None
    trace: list[TraceStep] = Field(description="Each step: what it did, and what it cost.")
    skipped: dict[str, str]
    timings_ms: dict[str, float]
    cached: bool = Field(description="Whether it was made for an earlier request.")
    request_id: str


def section(headings: tuple[str, ...]) -> str:
    return " > ".join(headings)


def _passage(chunk: Chunk) -> Passage:
    return Passage(text=chunk.text, start=chunk.start, end=chunk.end, page=chunk.page)


def hit(found: SearchHit) -> Hit:
    chunk, parent = found.chunk, found.parent
    return Hit(
        document_id=chunk.document_id,
        chunk_id=chunk.chunk_id,
        title=found.title,
        uri=found.uri,
        source_id=found.source_id,
        section=section(chunk.headings),
        page=chunk.page,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        score=found.score,
        scores=dict(found.scores),
        metadata=dict(found.metadata),
        copies=found.copies,
        neighbours=[_passage(near) for near in found.neighbours] or None,
        parent=Passage(text=joined(parent), start=parent[0].start, end=parent[-1].end)
        if parent
        else None,
        explanation=dict(found.explanation) or None,
        flags=list(found.flags) or None,
    )


def understood(found: Understanding) -> UnderstoodQuery:
    return UnderstoodQuery(
        text=found.text,
        question=found.question,
        collection=found.collection,
        language=found.language,
        phrases=list(found.phrases),
        variants=list(found.variants),
        filters=AppliedFilters.model_validate(asdict(found.filters)),
    )


def steps(trace: Sequence[Step]) -> list[TraceStep]:
    return [TraceStep(name=step.name, ms=step.ms, detail=step.detail) for step in trace]


def response(result: SearchResult, request_id: str) -> SearchResponse:
    return SearchResponse(
        hits=[hit(found) for found in result.hits],
        understood=None if result.understood is None else understood(result.understood),
        trace=steps(result.trace),
        skipped=dict(result.skipped),
        timings_ms=rounded(result.timings_ms),
        cached=result.cached,
        request_id=request_id,
    )


def rounded(timings: Mapping[str, float]) -> dict[str, float]:
    return {step: round(value, 2) for step, value in timings.items()}
