"""Generation by a vLLM engine of our own, on GPUs or on CPU."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import subprocess
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
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
    from multiprocessing.process import BaseProcess

    from transformers import PreTrainedTokenizerBase
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams as EngineParams
    from vllm.v1.engine.async_llm import AsyncLLM

_ENVIRONMENT: Final = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}

_CPU_ENVIRONMENT: Final = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # With the `uni` executor the engine process computes itself, instead of a worker below it.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}

_STREAMS_A_TOKEN: Final = 6


class VllmLLM:
    """A model served by vLLM's asynchronous engine, which runs in a process of its own.

    The engine belongs to the event loop that first uses it. Before `start` the object is only
    a description, cheap to build and to pickle.

    Each piece of a stream costs every process on its way. So beside many others a stream comes in
    larger pieces: of one token, and one more for every six others, up to `max_stream_interval`.
    The first token is always a piece by itself.

        llm = VllmLLM(path="/models/smollm2", model="smollm2")
        async for delta in llm.generate([Message("user", "Hi")], params, request_id="1"):
            ...
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model: str,
        max_model_len: int = 2048,
        max_num_seqs: int = 16,
        max_stream_interval: int = 8,
        gpu: bool = False,
        threads: int | None = None,
        gpu_memory_utilization: float = 0.6,
        tensor_parallel_size: int = 1,
        engine: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.context_window = max_model_len
        self._path = os.fspath(path)
        self._gpu = gpu
        # One core is left to what feeds it: threads that wait for a preempted one spin.
        self._threads = threads or max((os.cpu_count() or 1) - 1, 1)
        self._arguments: dict[str, Any] = {
            "model": self._path,
            "served_model_name": model,
            "max_model_len": max_model_len,
            "max_num_seqs": max_num_seqs,
            "enable_prefix_caching": True,
            "tensor_parallel_size": tensor_parallel_size,
        }
        if gpu:
            self._arguments |= {"dtype": "auto", "gpu_memory_utilization": gpu_memory_utilization}
        else:
            # bfloat16 is emulated, five times slower, on CPUs without AMX.
            self._arguments |= {"dtype": "float32", "enforce_eager": True}
            if tensor_parallel_size == 1:
                self._arguments["distributed_executor_backend"] = "uni"
        self._arguments |= dict(engine or {})
        self._engine: AsyncLLM | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._starting: asyncio.Lock | None = None
        self._streams = 0
        self._max_stream_interval = max_stream_interval

    async def start(self) -> None:
        """Load the model and be ready; idempotent. `generate` does it where nobody has.

        Takes the better part of a minute, in a thread: the loop stays free for health checks.
        """
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._engine is None:
                self._engine = await asyncio.to_thread(self._build)

    async def generate(
        self, messages: Sequence[Message], params: SamplingParams, *, request_id: str
    ) -> AsyncGenerator[Delta, None]:
        prompt = await asyncio.to_thread(self._prompt, messages)
        room = self.context_window - len(prompt)
        if room < 1:
            raise InvalidRequest(
                f"The prompt has {len(prompt)} tokens; {self.model} takes {self.context_window} "
                "for prompt and answer together.",
                "Shorten the conversation or ask for fewer passages.",
            )
        await self.start()
        assert self._engine is not None
        from vllm.inputs import tokens_input

        interval = min(1 + self._streams // _STREAMS_A_TOKEN, self._max_stream_interval)
        self._streams += 1
        try:
            sampling = _engine_params(
                params, max_tokens=min(params.max_tokens, room), stream_interval=interval
            )
            outputs = self._engine.generate(tokens_input(prompt), sampling, request_id=request_id)
            # Closed with us, not when the collector finds it: that is what frees the slot.
            async with aclosing(outputs):
                completion_tokens = 0
                async for output in outputs:
                    completion_tokens += len(output.outputs[0].token_ids)
                    yield _delta(output, len(prompt), completion_tokens)
        except SmartyPantsError:
            raise
        except Exception as exc:
            raise _mapped(exc, self.model) from exc
        finally:
            self._streams -= 1

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self._prompt(messages))

    async def check_health(self) -> None:
        """Raises `LLMUnavailable` if the engine died; an engine not started yet is healthy."""
        if self._engine is None:
            return
        try:
            await self._engine.check_health()
        except Exception as exc:
            raise _mapped(exc, self.model) from exc

    def shutdown(self) -> None:
        """End the engine's process; idempotent."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            guard.communicate()

    def _build(self) -> AsyncLLM:
        for name, value in (_ENVIRONMENT if self._gpu else _ENVIRONMENT | _CPU_ENVIRONMENT).items():
            os.environ.setdefault(name, value)
        if not self._gpu:
            # Ray gives its workers one; the engine's process has what this one has.
            os.environ["OMP_NUM_THREADS"] = str(self._threads)
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM

            arguments: AsyncEngineArgs = AsyncEngineArgs(**self._arguments)
            others = set(multiprocessing.active_children())
            engine = AsyncLLM.from_engine_args(arguments)
        except Exception as exc:
            raise SetupError(
                f"vLLM could not start {self.model} from {self._path}: {exc}",
                "Check `llm` in the settings; the engine's log above has the cause.",
            ) from exc
        self._guard = _guard(set(multiprocessing.active_children()) - others)
        return engine

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        conversation = [
            {"role": message.role, "content": self._control.sub(_defuse, message.content)}
            for message in messages
        ]
        try:
            encoded: Any = self._tokenizer.apply_chat_template(
                conversation, add_generation_prompt=True, tokenize=True, return_dict=True
            )
        except Exception as exc:
            # Templates raise what they like, mostly for turns in an order they do not know.
            raise InvalidRequest(f"{self.model} takes no such conversation: {exc}") from exc
        return list(encoded["input_ids"])

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(self._path)
        except (OSError, ValueError) as exc:
            raise SetupError(f"{self._path} holds no tokenizer: {exc}") from exc
        if tokenizer.chat_template is None:
            raise SetupError(
                f"{self.model} has no chat template.", "Choose a model tuned for conversation."
            )
        return tokenizer

    @cached_property
    def _control(self) -> re.Pattern[str]:
        """What the tokenizer would read as a control token, were it in a message's text."""
        added = self._tokenizer.added_tokens_decoder.values()
        return re.compile("|".join(re.escape(token.content) for token in added) or r"(?!)")


def _guard(processes: Iterable[BaseProcess]) -> subprocess.Popen[bytes]:
    """A process that ends the engine's when ours is gone: they outlive a parent that is killed.

    Its input is a pipe of ours, which ends with us whatever the cause.
    """
    pids = [str(process.pid) for process in processes if process.name.startswith("EngineCore")]
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read _; kill -9 "$@"', "sh", *pids],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _defuse(match: re.Match[str]) -> str:
    # A document that says <|im_end|> must not end its turn and speak as the system.
    return match[0][0] + " " + match[0][1:]


def _engine_params(
    params: SamplingParams, *, max_tokens: int, stream_interval: int
) -> EngineParams:
    from vllm.sampling_params import RequestOutputKind
    from vllm.sampling_params import SamplingParams as EngineParams

    return EngineParams(
        max_tokens=max_tokens,
        temperature=params.temperature,
        top_p=params.top_p,
        stop=list(params.stop),
        seed=params.seed,
        skip_special_tokens=True,
        output_kind=RequestOutputKind.DELTA,
        stream_interval=stream_interval,
    )


def _delta(output: RequestOutput, prompt_tokens: int, completion_tokens: int) -> Delta:
    piece = output.outputs[0]
    if piece.finish_reason is None:
        return Delta(piece.text)
    if piece.finish_reason not in ("stop", "length"):
        raise LLMUnavailable(f"The engine gave the answer up ({piece.finish_reason}).")
    reason: Literal["stop", "length"] = "stop" if piece.finish_reason == "stop" else "length"
    return Delta(piece.text, reason, prompt_tokens, completion_tokens)


def _mapped(exc: Exception, model: str) -> SmartyPantsError:
    from vllm.exceptions import GracefulHTTPError, VLLMClientError

    if isinstance(exc, VLLMClientError):
        return InvalidRequest(f"{model} does not take the request: {exc}")
    if isinstance(exc, GracefulHTTPError):
        return Overloaded(f"{model} has too many requests: {exc}")
    return LLMUnavailable(f"The engine of {model} failed: {exc}", "Try again in a minute.")


PLUGIN = VllmLLM
