"""`POST /v1/chat/completions`: the language model alone, as OpenAI's clients call it."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from smartypants.api.bodies import json_body
from smartypants.api.fields import MaxTokens, NoParams, RequestBody, Temperature
from smartypants.api.models import check_model, llm_name
from smartypants.api.problems import Problem
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.streaming import EventStream, closing, while_connected
from smartypants.errors import InvalidRequest, LLMUnavailable, ModelNotServed, Overloaded
from smartypants.types import Delta, Message, Role, SamplingParams

INT64 = 2**63


def _only(*allowed: object) -> AfterValidator:
    """For fields of OpenAI's that we cannot honour: better an error than an answer that ignores
    what was asked. Values that ask for nothing are fine, as clients send them."""

    def check(value: object) -> object:
        if value not in allowed:
            raise ValueError("is not supported here; leave it out")
        return value

    return AfterValidator(check)


Ignored = Annotated[object, Field(description="Accepted and ignored.")]
Unsupported = Annotated[object, Field(description="Not supported."), _only(None, [], {})]
Zero = Annotated[float | None, Field(description="Only 0."), _only(None, 0)]


class TextPart(RequestBody):
    type: Literal["text"]
    text: str


class ChatMessage(RequestBody):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(min_length=1)]
    name: Ignored = None
    refusal: Ignored = None
    annotations: Ignored = None
    tool_calls: Unsupported = None
    function_call: Unsupported = None
    audio: Unsupported = None


class ResponseFormat(RequestBody):
    type: Literal["text"]


class StreamOptions(RequestBody):
    include_usage: bool | None = None
    include_obfuscation: Ignored = None


class ChatCompletionRequest(RequestBody):
    """OpenAI's request. What can't be honoured is an error, what makes no difference is ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "HuggingFaceTB/SmolLM2-135M-Instruct",
                    "messages": [{"role": "user", "content": "Say hello."}],
                    "max_tokens": 16,
                }
            ]
        }
    )

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    max_completion_tokens: MaxTokens | None = None
    max_tokens: MaxTokens | None = Field(None, description="Default: 256.")
    temperature: Temperature | None = Field(None, description="Default: 1, as OpenAI's.")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stop: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=4)]
        | None
    ) = None
    seed: Annotated[int, Field(ge=-INT64, lt=INT64)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int | None, Field(description="Only 1."), _only(None, 1)] = None
    response_format: ResponseFormat | None = None
    frequency_penalty: Zero = None
    presence_penalty: Zero = None
    logprobs: Annotated[bool | None, Field(description="Only false."), _only(None, False)] = None
    top_logprobs: Annotated[int | None, Field(description="Only 0."), _only(None, 0)] = None
    logit_bias: Unsupported = None
    tools: Unsupported = None
    tool_choice: Annotated[object, _only(None, "none", "auto")] = None
    functions: Unsupported = None
    function_call: Annotated[object, _only(None, "none", "auto")] = None
    modalities: Annotated[object, _only(None, ["text"])] = None
    audio: Unsupported = None
    web_search_options: Annotated[object, _only(None)] = None
    moderation: Unsupported = None
    metadata: Ignored = None
    parallel_tool_calls: Ignored = None
    prediction: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_options: Ignored = None
    prompt_cache_retention: Ignored = None
    reasoning_effort: Ignored = None
    safety_identifier: Ignored = None
    service_tier: Ignored = None
    store: Ignored = None
    user: Ignored = None
    verbosity: Ignored = None


class CompletionUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionMessage(BaseModel):
    role: Literal["assistant"]
    content: str
    refusal: None


class CompletionChoice(BaseModel):
    index: int
    message: CompletionMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(BaseModel):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class ChunkDelta(BaseModel):
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    index: int
    delta: ChunkDelta
    logprobs: None
    finish_reason: Literal["stop", "length"] | None


class ChatCompletionChunk(BaseModel):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None


def _messages(body: ChatCompletionRequest) -> list[Message]:
    found = []
    for message in body.messages:
        role: Role = "system" if message.role == "developer" else message.role
        parts = message.content
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        found.append(Message(role, text))
    return found


def _sampling(body: ChatCompletionRequest) -> SamplingParams:
    default = SamplingParams()
    stop = body.stop or []
    return SamplingParams(
        max_tokens=body.max_completion_tokens or body.max_tokens or default.max_tokens,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=body.top_p or default.top_p,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=body.seed,
    )


async def _complete(
    call: Call[ChatCompletionRequest, NoParams],
) -> ChatCompletion | Response:
    body = call.body
    model = llm_name(call.services.settings)
    check_model(body.model, model)
    deltas = call.services.generate(_messages(body), _sampling(body), call.request_id)
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = _chunks(deltas, model=model, include_usage=usage)
        return EventStream(call.request, chunks, problem_event=_problem_event)
    return await while_connected(call.request.receive, _whole(deltas, model))


def _new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"


def _usage(last: Delta) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=last.prompt_tokens,
        completion_tokens=last.completion_tokens,
        total_tokens=last.prompt_tokens + last.completion_tokens,
    )


async def _whole(deltas: AsyncIterator[Delta], model: str) -> ChatCompletion:
    texts: list[str] = []
    last = Delta("")
    async with closing(deltas):
        async for last in deltas:
            texts.append(last.text)
    return ChatCompletion(
        id=_new_id(),
        object="chat.completion",
        created=int(time.time()),
        model=model,
        choices=[
            CompletionChoice(
                index=0,
                message=CompletionMessage(role="assistant", content="".join(texts), refusal=None),
                logprobs=None,
                finish_reason=last.finish_reason or "stop",
            )
        ],
        usage=_usage(last),
    )


async def _chunks(
    deltas: AsyncIterator[Delta], *, model: str, include_usage: bool
) -> AsyncGenerator[str, None]:
    completion_id, created = _new_id(), int(time.time())

    def chunk(choices: list[ChunkChoice], usage: CompletionUsage | None = None) -> str:
        data = ChatCompletionChunk(
            id=completion_id,
            object="chat.completion.chunk",
            created=created,
            model=model,
            choices=choices,
        )
        if include_usage:
            data.usage = usage
        return f"data: {data.model_dump_json(exclude_unset=True)}\n\n"

    def choice(delta: ChunkDelta, finish: Literal["stop", "length"] | None = None) -> str:
        return chunk([ChunkChoice(index=0, delta=delta, logprobs=None, finish_reason=finish)])

    last = Delta("")
    started = False
    async with closing(deltas):
        async for last in deltas:
            if not started:  # not before the model has answered: its errors have a status then
                yield choice(ChunkDelta(role="assistant", content=""))
                started = True
            if last.text:
                yield choice(ChunkDelta(content=last.text))
    yield choice(ChunkDelta(), last.finish_reason or "stop")
    if include_usage:
        yield chunk([], _usage(last))
    yield "data: [DONE]\n\n"


def _problem_event(problem: Problem) -> str:
    return f"data: {problem.model_dump_json(exclude_none=True)}\n\n"


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/chat/completions",
        tag="OpenAI-compatible",
        summary="Complete a conversation",
        handler=_complete,
        body=json_body(ChatCompletionRequest),
        params=NoParams,
        response=ChatCompletion,
        streams="With `stream: true`: unnamed events (ChatCompletionChunk), then `[DONE]`.",
        errors=(InvalidRequest, ModelNotServed, Overloaded, LLMUnavailable),
    ),
)
