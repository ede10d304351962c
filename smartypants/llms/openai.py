"""Generation by any endpoint that speaks OpenAI's chat completions protocol."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from smartypants.errors import (
    InvalidRequest,
    LLMUnavailable,
    Overloaded,
    SetupError,
    SmartyPantsError,
)
from smartypants.types import Delta, Message, SamplingParams

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_OPENAI: Final = "https://api.openai.com/v1"
_BYTES_PER_TOKEN: Final = 3
_TOKENS_PER_MESSAGE: Final = 8


class OpenAILLM:
    """A model behind an HTTP endpoint: OpenAI, Azure, Ollama, a vLLM server, …

    The key is read from the environment variable `api_key_env` when first needed, and appears
    in no message. An endpoint of your own gets a key only if you name a variable. Nothing is
    tried twice here: errors that may pass are marked `retryable`, and the caller has a deadline.

        llm = OpenAILLM(model="qwen3", api_base="http://127.0.0.1:11434/v1")
        async for delta in llm.generate([Message("user", "Hi")], params, request_id="1"):
            ...
    """

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        api_key_env: str | None = None,
        timeout_s: float = 120.0,
        context_window: int = 8192,
    ) -> None:
        self.model = model
        self.context_window = context_window
        self._base = api_base or _OPENAI
        self._key_env = api_key_env or (None if api_base else "OPENAI_API_KEY")
        self._timeout_s = timeout_s
        self._client: AsyncOpenAI | None = None

    async def generate(
        self, messages: Sequence[Message], params: SamplingParams, *, request_id: str
    ) -> AsyncGenerator[Delta, None]:
        client = self._connected()
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            # One limit for the whole call: a stream that drips must end too. No `yield` inside
            # the timeouts, since the reader's own time is not the endpoint's.
            async with asyncio.timeout_at(deadline):
                stream: Any = await client.chat.completions.create(
                    extra_headers={"X-Request-Id": request_id},
                    **_body(self.model, messages, params),
                )
            # Leaving this block closes the connection, which is how the endpoint learns to stop.
            async with stream:
                chunks = aiter(stream)
                reason: Literal["stop", "length"] | None = None
                text, usage = "", None
                while True:
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    usage = chunk.usage or usage
                    for choice in chunk.choices:
                        reason = _reason(choice.finish_reason) or reason
                        if choice.delta.content:
                            text += choice.delta.content
                            yield Delta(choice.delta.content)
            if reason is None:
                raise LLMUnavailable(f"{self._base} cut the answer of {self.model} short.")
            yield Delta(
                "",
                reason,
                usage.prompt_tokens if usage else self.count_tokens(messages),
                usage.completion_tokens if usage else _estimate(text),
            )
        except SmartyPantsError:
            raise
        except Exception as exc:
            raise self._mapped(exc) from exc

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate from above for prose: a token for 3 bytes of UTF-8, 8 for each turn.

        English takes some 4 bytes a token and Chinese 3; digits and code can take fewer.
        """
        return sum(_TOKENS_PER_MESSAGE + _estimate(message.content) for message in messages)

    async def close(self) -> None:
        """Close the connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _connected(self) -> AsyncOpenAI:
        # Its connections belong to the event loop that uses them first, hence not in __init__.
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                api_key=self._key() or "none",
                base_url=self._base,
                timeout=self._timeout_s,
                max_retries=0,
            )
        return self._client

    def _key(self) -> str | None:
        if self._key_env is None:
            return None
        key = os.environ.get(self._key_env)
        if not key:
            raise SetupError(
                f"No key for {self._base}.", f"Set the environment variable {self._key_env}."
            )
        return key

    def _mapped(self, exc: Exception) -> SmartyPantsError:
        import openai

        if isinstance(exc, openai.APIStatusError):
            return self._mapped_status(exc.status_code, self._redacted(exc.message))
        if isinstance(exc, (TimeoutError, openai.APITimeoutError)):
            return LLMUnavailable(
                f"{self._base} took more than {self._timeout_s:g} s.",
                "Try again, or raise timeout_s.",
            )
        if isinstance(exc, openai.APIConnectionError):
            return LLMUnavailable(
                f"{self._base} can't be reached.", "Is it up? Is `api_base` right?"
            )
        # What is left happened in the middle of a stream: a dropped connection, an error
        # event, or bytes that are not the protocol.
        detail = self._redacted(str(exc))
        return LLMUnavailable(f"{self._base} broke off: {type(exc).__name__}: {detail}")

    def _mapped_status(self, status: int, detail: str) -> SmartyPantsError:
        said = f"{self._base} answered {status}"
        if status in (401, 403):
            # Not the endpoint's words: they may quote the key.
            variable = self._key_env or "that `api_key_env` should name"
            return SetupError(f"{said}.", f"Check the key in the environment variable {variable}.")
        if status == 429:
            return Overloaded(f"{said}: {detail}", "Try again later.")
        if status >= 500 or status in (408, 409, 425):
            return LLMUnavailable(f"{said}: {detail}", "Try again later.")
        return InvalidRequest(f"{said} for the model {self.model}: {detail}")

    def _redacted(self, text: str) -> str:
        key = os.environ.get(self._key_env) if self._key_env else None
        return text.replace(key, "…") if key else text


def _body(model: str, messages: Sequence[Message], params: SamplingParams) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "max_tokens": params.max_tokens,
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
    return body


def _reason(reason: str | None) -> Literal["stop", "length"] | None:
    if reason is None:
        return None
    return "length" if reason == "length" else "stop"


def _estimate(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)


PLUGIN = OpenAILLM
