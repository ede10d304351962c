"""`POST /v1/answers`: an answer with the passages that support it, at once or as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection
from starlette.responses import Response

from smartypants.api import search, search_results, services
from smartypants.api.bodies import json_body
from smartypants.api.examples import instance
from smartypants.api.fields import (
    CollectionName,
    MaxTokens,
    NoParams,
    Question,
    RequestBody,
    Temperature,
    TopK,
)
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.search import (
    RETRIEVAL_ERRORS,
    History,
    SearchFilters,
    SearchOptions,
    Turn,
    UseCache,
)
from smartypants.api.search_results import Hit, SearchResponse, TraceStep, UnderstoodQuery
from smartypants.api.streaming import EventStream, closing, event, while_connected
from smartypants.auth.roles import Permission
from smartypants.errors import InvalidRequest, LLMUnavailable
from smartypants.settings import Settings
from smartypants.types import (
    Answer,
    AnswerEvent,
    AnswerMode,
    Delta,
    SamplingParams,
    SearchResult,
)
from smartypants.types import Citation as FoundCitation


class QuestionRequest(RequestBody):
    """What every way of asking takes."""

    question: Question
    collection: CollectionName | None = None
    top_k: TopK | None = Field(None, description="Default: `answers.top_k`.")
    max_tokens: MaxTokens | None = Field(None, description="Default: `answers.max_tokens`.")
    temperature: Temperature | None = Field(None, description="Default: 0.")
    rerank: bool | None = None
    filters: SearchFilters | None = None
    options: SearchOptions | None = None
    mode: AnswerMode = Field(
        "generated",
        description="`extractive`: the sentences of the documents that fit best, word for word, "
        "without the language model.",
    )
    cache: UseCache = True


class AnswerRequest(QuestionRequest):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "What is the notice period?"}]}
    )

    history: History = Field(default_factory=list)
    stream: bool = Field(False, description="Answer as server-sent events.")


class Citation(BaseModel):
    """A passage that supports a sentence: the document's text from `start` to `end`."""

    number: int = Field(description="The n of `[n]` in the answer.")
    document_id: str
    chunk_id: str
    title: str
    uri: str
    section: str
    page: str | None
    passage: str
    start: int
    end: int
    support: float = Field(description="The share of the sentence that the passage carries.")


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class UsedPrompt(BaseModel):
    """What the language model was told; see `/v1/prompts`."""

    name: str
    version: str


class AnswerWarning(BaseModel):
    """What a reader should know about the answer."""

    code: str = Field(
        description="`injection_suspected`, `secret_removed`, `personal_data_removed`, "
        "`content_removed`, `blocked_content`, `repetition_cut`, `other_language` or "
        "`unclosed_code`; there may be others later."
    )
    message: str


class AnswerResponse(BaseModel):
    """`found` is false where the documents do not answer the question.

    `mode` is what was done; `skipped.generate` says why it is not what was asked for.
    """

    answer: str
    found: bool
    citations: list[Citation]
    hits: list[Hit]
    usage: Usage
    prompt: UsedPrompt | None = Field(description="Null where no model was asked.")
    mode: AnswerMode
    supported_sentences: int = Field(description="Sentences with a citation.")
    sentences: int
    understood: UnderstoodQuery | None
    trace: list[TraceStep]
    supported_share: float | None = Field(description="Of the sentences; null where none is.")
    finish_reason: str = Field(
        description="`stop`, `length`, `content_filter` where the content policy withheld the "
        "answer, or `error` where the language model broke off."
    )
    warnings: list[AnswerWarning]
    skipped: dict[str, str]
    timings_ms: dict[str, float]
    cached: bool = Field(description="Whether it was made for an earlier request.")
    request_id: str


class Token(BaseModel):
    """The data of a `token` event: the next piece of the answer."""

    text: str


def citation(found: FoundCitation) -> Citation:
    return Citation.model_validate(found, from_attributes=True)


def _prompt(answer: Answer) -> UsedPrompt | None:
    used = answer.prompt
    return None if used is None else UsedPrompt(name=used.name, version=used.version)


def _response(answer: Answer, request_id: str) -> AnswerResponse:
    return AnswerResponse(
        answer=answer.text,
        found=answer.found,
        citations=[citation(found) for found in answer.citations],
        hits=[search_results.hit(found) for found in answer.hits],
        usage=Usage(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens),
        prompt=_prompt(answer),
        supported_sentences=answer.supported_sentences,
        sentences=answer.sentences,
        supported_share=answer.supported_share,
        mode=answer.mode,
        finish_reason=answer.finish_reason,
        warnings=[AnswerWarning(code=w.code, message=w.message) for w in answer.warnings],
        understood=None
        if answer.understood is None
        else search_results.understood(answer.understood),
        trace=search_results.steps(answer.trace),
        skipped=dict(answer.skipped),
        timings_ms=search_results.rounded(answer.timings_ms),
        cached=answer.cached,
        request_id=request_id,
    )


def to_request(
    connection: HTTPConnection,
    settings: Settings,
    body: QuestionRequest,
    *,
    collection: str | None,
    history: Sequence[Turn] = (),
) -> services.AnswerRequest:
    """What was asked, with what the connection says of the caller."""
    chosen = settings.answers
    query = search.to_query(
        connection,
        settings,
        text=body.question,
        collection=collection,
        top_k=body.top_k or chosen.top_k,
        rerank=body.rerank,
        filters=body.filters,
        options=body.options,
        history=history,
        cache=body.cache,
    )
    sampling = SamplingParams(
        max_tokens=body.max_tokens or chosen.max_tokens, temperature=body.temperature or 0.0
    )
    return services.AnswerRequest(query, sampling, body.mode)


async def _answer(call: Call[AnswerRequest, NoParams]) -> AnswerResponse | Response:
    body, settings = call.body, call.services.settings
    request = to_request(
        call.request, settings, body, collection=body.collection, history=body.history
    )
    events = call.services.answer(request)
    if body.stream:
        return EventStream(call.request, _as_text(events, call.request_id))
    answer = await while_connected(call.request.receive, _last(events))
    return _response(answer, call.request_id)


async def _last(events: AsyncIterator[AnswerEvent]) -> Answer:
    async with closing(events):
        async for item in events:
            if isinstance(item, Answer):
                return item
    raise RuntimeError("the answer events ended without an answer")


async def _as_text(
    events: AsyncIterator[AnswerEvent], request_id: str
) -> AsyncGenerator[str, None]:
    async with closing(events):
        async for item in events:
            match item:
                case SearchResult():
                    yield event("hits", search_results.response(item, request_id))
                case Delta():
                    if item.text:
                        yield event("token", Token(text=item.text))
                case FoundCitation():
                    yield event("citation", citation(item))
                case Answer():
                    yield event("answer", _response(item, request_id))


def _events_sample() -> str:
    hits, last = instance(SearchResponse), instance(AnswerResponse)
    told = (("token", Token), ("citation", Citation))
    between = "".join(event(name, instance(model)) for name, model in told)
    return f"{event('hits', hits)}{between}{event('answer', last)}"


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/answers",
        changes=False,
        tag="Search",
        summary="Answer a question with citations",
        permission=Permission.DOCUMENTS_READ,
        collection=lambda call: call.body.collection,
        handler=_answer,
        body=json_body(AnswerRequest),
        params=NoParams,
        response=AnswerResponse,
        streams="With `stream: true`: the events `hits` (SearchResponse), `token` (Token), "
        "`citation` (Citation) and, last, `answer` (AnswerResponse); `error` (Problem) if it "
        "breaks off.",
        sample=_events_sample,
        errors=(InvalidRequest, *RETRIEVAL_ERRORS, LLMUnavailable),
    ),
)
