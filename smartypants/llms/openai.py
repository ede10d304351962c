"""Generation by any endpoint that speaks OpenAI's chat completions protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from smartypants.errors import LLMUnavailable, SmartyPantsError
from smartypants.providers.endpoint import MAX_RESPONSE_BYTES, Endpoint
from smartypants.providers.estimates import conversation_tokens, text_tokens
from smartypants.providers.timeouts import StreamLimits, Timeouts, chunks
from smartypants.types import Delta, Message, SamplingParams

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_OPENAI: Final = "https://api.openai.com/v1"
# They have given up `max_tokens`, which others know alone.
_NEWER_LIMIT: Final = (".openai.com", ".azure.com")


class OpenAILLM:
    """A model behind an HTTP endpoint: OpenAI, Azure, Mistral, Ollama, a vLLM server, …

    `credential` is a reference to the key (`env:NAME`, `file:/PATH`), looked up for each request;
    it appears in no message. An endpoint of your own gets a key only if you name one. `headers`
    may hold references too. `request` sets fields of the request's body, or leaves them out
    where null, for endpoints that differ. Nothing is tried twice here: errors that may pass are
    marked `retryable`, and whoever calls knows about deadlines and other providers.

        llm = OpenAILLM("qwen3", api_base="http://127.0.0.1:11434/v1")
        async for delta in llm.generate([Message("user", "Hi")], params, request_id="1"):
            ...
    """

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        credential: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
        context_window: int = 8192,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self.model = model
        self.context_window = context_window
        self._query = dict(query or {})
        self._request = dict(request or {})
        self._timeouts = timeouts or Timeouts()
        self._endpoint = Endpoint(
            api_base or _OPENAI,
            credential=credential or (None if api_base else "env:OPENAI_API_KEY"),
            headers=headers,
            max_response_bytes=max_response_bytes,
        )
        newer = (urlsplit(self._endpoint.base).hostname or "").endswith(_NEWER_LIMIT)
        self._limit = "max_completion_tokens" if newer else "max_tokens"
        self._client: AsyncOpenAI | None = None

    async def generate(
        self, messages: Sequence[Message], params: SamplingParams, *, request_id: str
    ) -> AsyncGenerator[Delta, None]:
        client = self._connected()
        import openai

        limits = StreamLimits(self._timeouts)
        reason: Literal["stop", "length"] | None = None
        text, usage = "", None
        try:
            opening = client.chat.completions.create(
                extra_headers={"X-Request-Id": request_id}, **self._body(messages, params)
            )
            async with aclosing(chunks(opening, limits)) as stream:
                async for chunk in stream:
                    usage = chunk.usage or usage
                    for choice in chunk.choices:
                        reason = _reason(choice.finish_reason) or reason
                        if choice.delta.content:
                            limits.token_came()
                            text += choice.delta.content
                            yield Delta(choice.delta.content)
            if reason is None:
                raise LLMUnavailable(f"{self._endpoint.base} cut the answer of {self.model} short.")
            yield Delta(
                "",
                reason,
                usage.prompt_tokens if usage else self.count_tokens(messages),
                usage.completion_tokens if usage else text_tokens(text),
                estimated=usage is None,
            )
        except SmartyPantsError:
            raise
        except Exception as exc:
            error = self._endpoint.mapped(exc, openai, model=self.model, late=limits.exceeded)
            if self._endpoint.quoted(exc):
                raise error from None
            raise error from exc

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate from above for prose."""
        return conversation_tokens(messages)

    async def close(self) -> None:
        """Close the connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _connected(self) -> AsyncOpenAI:
        # Its connections belong to the event loop that uses them first, hence not in __init__.
        if self._client is None:
            import httpx
            from openai import AsyncOpenAI

            chosen = self._timeouts
            self._client = AsyncOpenAI(
                api_key="none",  # the endpoint adds the real one as the request leaves
                base_url=self._endpoint.base,
                default_query=self._query,
                timeout=httpx.Timeout(chosen.total_s, connect=chosen.connect_s),
                max_retries=0,
                http_client=self._endpoint.client(httpx, "AsyncClient"),
            )
        return self._client

    def _body(self, messages: Sequence[Message], params: SamplingParams) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": item.role, "content": item.content} for item in messages],
            self._limit: params.max_tokens,
            "temperature": params.temperature,
            "top_p": params.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        # Endpoints differ in whether they take a null.
        if params.stop:
            body["stop"] = list(params.stop)
        if params.seed is not None:
            body["seed"] = params.seed
        kept = {name: value for name, value in body.items() if name not in self._request}
        others = {name: value for name, value in self._request.items() if value is not None}
        return {**kept, "extra_body": others} if others else kept


def _reason(reason: str | None) -> Literal["stop", "length"] | None:
    if reason is None:
        return None
    return "length" if reason == "length" else "stop"


PLUGIN = OpenAILLM
