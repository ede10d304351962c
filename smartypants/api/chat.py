"""`POST /v1/chat/completions`: the language model alone, as OpenAI's clients call it."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.responses import Response

from smartypants.api import context
from smartypants.api.bodies import json_body
from smartypants.api.completions import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChunkChoice,
    ChunkDelta,
    CompletionChoice,
    CompletionMessage,
    CompletionUsage,
)
from smartypants.api.examples import instance
from smartypants.api.fields import NoParams
from smartypants.api.models import check_model
from smartypants.api.problems import Problem
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.streaming import EventStream, closing, while_connected
from smartypants.auth.roles import Permission
from smartypants.errors import (
    DeadlineExceeded,
    InvalidRequest,
    LLMUnavailable,
    ModelNotServed,
    Overloaded,
)
from smartypants.types import Delta, FinishReason, Message, Role, SamplingParams

_DONE = "data: [DONE]\n\n"


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
        model=body.model,
    )


async def _complete(
    call: Call[ChatCompletionRequest, NoParams],
) -> ChatCompletion | Response:
    body = call.body
    check_model(body.model, *call.services.settings.llm.models)
    deadline = context.deadline(call.request)
    deltas = call.services.generate(_messages(body), _sampling(body), call.request_id, deadline)
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = _chunks(deltas, model=body.model, include_usage=usage)
        return EventStream(call.request, chunks, problem_event=_problem_event)
    return await while_connected(call.request.receive, _whole(deltas, body.model))


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
        return _data(data)

    def choice(delta: ChunkDelta, finish: FinishReason | None = None) -> str:
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
    yield _DONE


def _data(chunk: ChatCompletionChunk) -> str:
    return f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"


def _problem_event(problem: Problem) -> str:
    return f"data: {problem.model_dump_json(exclude_none=True)}\n\n"


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/chat/completions",
        changes=False,
        tag="OpenAI-compatible",
        summary="Complete a conversation",
        permission=Permission.MODELS_USE,
        handler=_complete,
        body=json_body(ChatCompletionRequest),
        params=NoParams,
        response=ChatCompletion,
        streams="With `stream: true`: unnamed events (ChatCompletionChunk), then `[DONE]`.",
        sample=lambda: f"{_data(instance(ChatCompletionChunk))}{_DONE}",
        errors=(
            InvalidRequest,
            ModelNotServed,
            Overloaded,
            LLMUnavailable,
            DeadlineExceeded,
        ),
    ),
)
