"""What OpenAI's chat completions look like: the request, the response, and a streamed piece."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from smartypants.api.fields import MaxTokens, RequestBody, Temperature

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
    finish_reason: Literal["stop", "length", "content_filter"]


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
    finish_reason: Literal["stop", "length", "content_filter"] | None


class ChatCompletionChunk(BaseModel):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
