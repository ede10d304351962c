"""Generation by Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal

from smartypants.errors import LLMUnavailable, SetupError, SmartyPantsError
from smartypants.providers.endpoint import MAX_RESPONSE_BYTES, Endpoint
from smartypants.providers.estimates import conversation_tokens, text_tokens
from smartypants.providers.timeouts import StreamLimits, Timeouts, chunks
from smartypants.types import Delta, Message, SamplingParams

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_ANTHROPIC: Final = "https://api.anthropic.com"
_CUT: Final = {"max_tokens", "model_context_window_exceeded"}


class AnthropicLLM:
    """A Claude model, by Anthropic or by whoever speaks its protocol.

    Credentials, `headers` and `request` are as for `OpenAILLM`. Temperature, top_p and seed are
    not sent, since Anthropic's own client has none of them any more; `request` can name them for
    models that still take them.

        llm = AnthropicLLM("claude-sonnet-5-5", credential="file:/run/secrets/anthropic")
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
        context_window: int = 200_000,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self.model = model
        self.context_window = context_window
        self._query = dict(query or {})
        self._request = dict(request or {})
        self._timeouts = timeouts or Timeouts()
        self._endpoint = Endpoint(
            api_base or _ANTHROPIC,
            credential=credential or (None if api_base else "env:ANTHROPIC_API_KEY"),
            credential_header="x-api-key",
            scheme="",
            headers=headers,
            max_response_bytes=max_response_bytes,
        )
        self._client: AsyncAnthropic | None = None

    async def generate(
        self, messages: Sequence[Message], params: SamplingParams, *, request_id: str
    ) -> AsyncGenerator[Delta, None]:
        client = self._connected()
        import anthropic

        limits = StreamLimits(self._timeouts)
        reason: Literal["stop", "length"] | None = None
        text, taken, given = "", None, None
        try:
            opening = client.messages.create(
                extra_headers={"X-Request-Id": request_id}, **self._body(messages, params)
            )
            async with aclosing(chunks(opening, limits)) as stream:
                async for event in stream:
                    if event.type == "message_start":
                        taken = _prompt_tokens(event.message.usage)
                    elif event.type == "message_delta":
                        reason = _reason(event.delta.stop_reason) or reason
                        given = event.usage.output_tokens
                    elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                        limits.token_came()
                        text += event.delta.text
                        yield Delta(event.delta.text)
            if reason is None:
                raise LLMUnavailable(f"{self._endpoint.base} cut the answer of {self.model} short.")
            yield Delta(
                "",
                reason,
                self.count_tokens(messages) if taken is None else taken,
                text_tokens(text) if given is None else given,
                estimated=taken is None or given is None,
            )
        except SmartyPantsError:
            raise
        except Exception as exc:
            error = self._endpoint.mapped(exc, anthropic, model=self.model, late=limits.exceeded)
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

    def _connected(self) -> AsyncAnthropic:
        # Its connections belong to the event loop that uses them first, hence not in __init__.
        if self._client is None:
            try:
                import httpx2
                from anthropic import AsyncAnthropic
            except ImportError as exc:
                raise SetupError(
                    "Anthropic's client is not installed.",
                    "Install the extra that has it: pip install 'smartypants[anthropic]'.",
                ) from exc
            chosen = self._timeouts
            self._client = AsyncAnthropic(
                api_key="none",  # the endpoint adds the real one as the request leaves
                base_url=self._endpoint.base,
                default_query=self._query,
                timeout=httpx2.Timeout(chosen.total_s, connect=chosen.connect_s),
                max_retries=0,
                http_client=self._endpoint.client(httpx2, "AsyncClient"),
            )
        return self._client

    def _body(self, messages: Sequence[Message], params: SamplingParams) -> dict[str, Any]:
        turns = [item for item in messages if item.role != "system"]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": item.role, "content": item.content} for item in turns],
            "max_tokens": params.max_tokens,
            "stream": True,
        }
        system = "\n\n".join(item.content for item in messages if item.role == "system")
        if system:
            body["system"] = system
        if params.stop:
            body["stop_sequences"] = list(params.stop)
        others = {name: value for name, value in self._request.items() if value is not None}
        return {**body, "extra_body": others} if others else body


def _prompt_tokens(usage: Any) -> int:
    """Those read from its cache, and written to it, are counted apart."""
    apart = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    return int(usage.input_tokens + apart)


def _reason(reason: str | None) -> Literal["stop", "length"] | None:
    if reason is None:
        return None
    return "length" if reason in _CUT else "stop"


PLUGIN = AnthropicLLM
