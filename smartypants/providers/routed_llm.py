"""Several providers as one LLM: routes by model, falls back, retries, and accounts for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from smartypants.errors import LLMUnavailable, ModelNotServed, SmartyPantsError
from smartypants.options.providers import RetrySettings
from smartypants.protocols import LLM, Engine
from smartypants.providers.attempts import Attempts, Clock, Provider
from smartypants.providers.estimates import text_tokens
from smartypants.providers.usage import NoteUsage, log_usage
from smartypants.types import Delta, Message, SamplingParams, Usage


class RoutedLLM:
    """Asks the providers of the model that `params.model` names, in order.

    Until the first token of one has come, the next is asked where one fails; what breaks off
    afterwards raises, for what was delivered can't be taken back. How providers fare is known
    to this process alone: replicas don't tell each other. `note` is given each call's usage.

        llm = RoutedLLM({"small": [Provider("local", VllmLLM(…), health)]}, default="small")
    """

    def __init__(
        self,
        providers: Mapping[str, Sequence[Provider[LLM]]],
        *,
        default: str,
        retries: RetrySettings | None = None,
        note: NoteUsage = log_usage,
        clock: Clock = time.monotonic,
    ) -> None:
        self.model = default
        self.context_window = providers[default][0].plugin.context_window
        self._providers = providers
        self._retries = retries or RetrySettings()
        self._note = note
        self._clock = clock

    async def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        request_id: str,
        deadline: float | None = None,
        note: NoteUsage | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """`deadline` is the Unix time after which nobody waits for the answer; `note` is given
        the usage of this call, besides the hook of all."""
        model = params.model or self.model
        attempts = self._attempts(model, deadline)
        while True:
            provider = attempts.next()
            if provider is None:
                await asyncio.sleep(attempts.pause_s())
                continue
            call = _Call(provider, model, messages, request_id)
            limit_s = None if deadline is None else attempts.share_s
            try:
                deltas = provider.plugin.generate(messages, params, request_id=request_id)
                async with aclosing(_begun_within(limit_s, deltas)) as bounded:
                    async for delta in bounded:
                        if delta.text and not call.text:
                            attempts.began(provider)
                        call.text += delta.text
                        if delta.finish_reason is not None:
                            delta = replace(delta, usage=call.finished(delta, attempts.sent))
                            attempts.succeeded(provider)
                        yield delta
                return
            except SmartyPantsError as exc:
                attempts.failed(provider, exc)
                if call.text:
                    exc.retried = True
                    raise
            except TimeoutError:
                attempts.late(provider)
            except BaseException:
                if call.usage is None:
                    attempts.left(provider)
                raise
            finally:
                if call.text or call.usage is not None:
                    used = call.usage or call.unfinished(attempts.sent)
                    self._note(used)
                    if note is not None:
                        note(used)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._providers[self.model][0].plugin.count_tokens(messages)

    async def start(self) -> None:
        for engine in self._engines():
            await engine.start()

    async def check_health(self) -> None:
        for engine in self._engines():
            await engine.check_health()

    def shutdown(self) -> None:
        for engine in self._engines():
            engine.shutdown()

    def _engines(self) -> list[Engine]:
        all_of_them = (found.plugin for route in self._providers.values() for found in route)
        return [plugin for plugin in all_of_them if isinstance(plugin, Engine)]

    def _attempts(self, model: str, deadline: float | None) -> Attempts[LLM]:
        if model not in self._providers:
            known = ", ".join(self._providers)
            raise ModelNotServed(f"There is no model {model!r} here.", f"Use one of {known}.")
        patience_s = self._retries.patience_s
        if deadline is not None:
            patience_s = min(patience_s, max(deadline - time.time(), 0.0))
        return Attempts(
            self._providers[model],
            model=model,
            retries=self._retries,
            unavailable=LLMUnavailable,
            patience_s=patience_s,
            clock=self._clock,
        )


class _Call:
    """One answer of one provider as it grows."""

    def __init__(
        self, provider: Provider[LLM], model: str, messages: Sequence[Message], request_id: str
    ) -> None:
        self._provider = provider
        self._model = model
        self._messages = messages
        self._request_id = request_id
        self.text = ""
        self.usage: Usage | None = None

    def finished(self, last: Delta, attempts: int) -> Usage:
        self.usage = self._usage(last.prompt_tokens, last.completion_tokens, attempts)
        self.usage = replace(self.usage, estimated=last.estimated)
        return self.usage

    def unfinished(self, attempts: int) -> Usage:
        prompt_tokens = self._provider.plugin.count_tokens(self._messages)
        usage = self._usage(prompt_tokens, text_tokens(self.text), attempts)
        return replace(usage, estimated=True, finished=False)

    def _usage(self, prompt_tokens: int, completion_tokens: int, attempts: int) -> Usage:
        return Usage(
            self._provider.name,
            self._model,
            prompt_tokens,
            completion_tokens,
            cost=self._provider.cost(prompt_tokens, completion_tokens),
            attempts=attempts,
            request_id=self._request_id,
        )


async def _begun_within(
    limit_s: float | None, deltas: AsyncGenerator[Delta, None]
) -> AsyncGenerator[Delta, None]:
    """The deltas; raises `TimeoutError` if the first does not come in time."""
    async with aclosing(deltas):
        async with asyncio.timeout(limit_s):
            first = await anext(deltas, None)
        if first is not None:
            yield first
            async for delta in deltas:
                yield delta
