"""As many passages as the model's window has room for, with the template around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from smartypants.errors import PromptInvalid, PromptTooLong
from smartypants.packing import CountTokens, best_at_the_ends, pack
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.inputs import EMPTY_PASSAGE, Inputs
from smartypants.prompts.template import Prompt
from smartypants.types import Message, SearchHit

MESSAGE_TOKENS = 8
"""What a chat template puts around a message."""

ToInputs = Callable[[Sequence[SearchHit]], Inputs]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens that a model takes for prompt and answer together, and how they are counted."""

    tokens: int
    count: CountTokens

    def room(self, max_tokens: int) -> int:
        """For the prompt. An answer that may be as long as it likes leaves half of the window."""
        return self.tokens - min(max_tokens, self.tokens // 2)

    def cost(self, messages: Sequence[Message]) -> int:
        return sum(self.count(message.content) + MESSAGE_TOKENS for message in messages)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt and the passages that fit in it, best first."""

    prompt: Prompt
    hits: list[SearchHit]
    inputs: ToInputs
    skipped: Mapping[str, str] = field(default_factory=dict)

    def messages(self, hits: Sequence[SearchHit] | None = None) -> list[Message]:
        """The conversation with these of the passages; by default with all."""
        chosen = self.hits if hits is None else hits
        return self.prompt.messages(self.inputs(best_at_the_ends(chosen)))


def fit(
    prompt: Prompt,
    hits: Sequence[SearchHit],
    *,
    inputs: ToInputs,
    context_tokens: int,
    window: Window,
    max_tokens: int,
) -> Fitted:
    """The prompt with at least one passage; the default one, and `skipped["prompt"]` says why,
    where that does not fit or can't be rendered."""
    try:
        fitted = fit_exactly(
            prompt, hits, inputs=inputs, context_tokens=context_tokens, window=window,
            max_tokens=max_tokens,
        )  # fmt: skip
        why = prompt.passed_over
    except (PromptInvalid, PromptTooLong) as exc:
        if prompt.default:
            raise
        why = f"version {prompt.version}: {exc.message}"
        fitted = fit_exactly(
            default_prompt(prompt.kind), hits, inputs=inputs, context_tokens=context_tokens,
            window=window, max_tokens=max_tokens,
        )  # fmt: skip
    if not why:
        return fitted
    log.warning("the default prompt was used", prompt=prompt.kind, reason=why)
    return replace(fitted, skipped={"prompt": why})


def fit_exactly(
    prompt: Prompt,
    hits: Sequence[SearchHit],
    *,
    inputs: ToInputs,
    context_tokens: int,
    window: Window,
    max_tokens: int,
) -> Fitted:
    """Raises `PromptInvalid`, or `PromptTooLong` unless it is the default: of that, the model
    itself refuses what it can't take."""
    room = window.room(max_tokens)
    frame = window.cost(prompt.messages({**inputs([]), "passages": (EMPTY_PASSAGE,)}))
    budget = max(min(context_tokens, room - frame), 0)
    fitted = Fitted(prompt, pack(hits, budget=budget, count_tokens=window.count), inputs)
    while (cost := window.cost(fitted.messages())) > room and len(fitted.hits) > 1:
        fitted.hits.pop()
    if cost > room and not prompt.default:
        raise PromptTooLong(
            f"It takes {cost} tokens with one passage; the model has room for {room}.",
            "Shorten it, or raise llm.max_model_len.",
        )
    return fitted
