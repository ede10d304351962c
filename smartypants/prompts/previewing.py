"""What the language model would be told, without asking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from smartypants.ledger import prompts
from smartypants.prompts.defaults import DEFAULT, default_prompt
from smartypants.prompts.fitting import Fitted, Window, fit_exactly
from smartypants.prompts.inputs import Inputs, answer_inputs, expand_inputs, rewrite_inputs
from smartypants.prompts.kinds import REPLY_TOKENS, Kind
from smartypants.prompts.template import Prompt, Template, readable
from smartypants.prompts.validating import TALK
from smartypants.querying.language import detect
from smartypants.safety.containment import contained
from smartypants.settings import Settings
from smartypants.types import Chunk, Message, SearchHit

_TEXTS = (
    "The notice period of this lease is six weeks to the end of a month.",
    "Notice is given in writing, to the address at the head of this lease.",
)


@dataclass(frozen=True, slots=True)
class Preview:
    """The messages, and the tokens that they take of the model's room for a prompt."""

    messages: tuple[Message, ...]
    tokens: int
    room: int
    passages: int


def sample_hits() -> tuple[SearchHit, ...]:
    """Passages for a preview where none were searched for."""
    return tuple(
        SearchHit(
            Chunk("sample", "1", index, text, 0, len(text), context="Lease > Notice"),
            1.0,
            {},
            "Lease",
            "file:///lease.md",
            "sample",
        )
        for index, text in enumerate(_TEXTS)
    )


def chosen(
    engine: Engine,
    kind: Kind,
    *,
    collection: str | None,
    version: str | None = None,
    template: Template | None = None,
) -> Prompt:
    """A template that is given, or a version, or else what has the largest share now.

    Raises `PromptInvalid` or `PromptNotFound`.
    """
    if template is not None:
        template.used(kind)
        return Prompt(kind, template.version(kind), template)
    scope = collection
    if version is None:
        now = prompts.in_force(engine, kind, collection)
        if now is None:
            return default_prompt(kind)
        scope = now.collection
        version = max(now.shares, key=lambda item: item.share).version
    if version in (DEFAULT, default_prompt(kind).version):
        return default_prompt(kind)
    stored = prompts.get(engine, kind, scope, version)
    return Prompt(kind, stored.version, readable(stored.body))


def preview(
    prompt: Prompt,
    question: str,
    *,
    settings: Settings,
    window: Window,
    hits: Sequence[SearchHit] = (),
    history: Sequence[Message] = (),
    collection: str = "",
) -> Preview:
    """As an answer with default options would have it; a rewriting needs earlier turns, and gets
    some where there are none. Raises `PromptInvalid` or `PromptTooLong`."""
    language = detect(question)
    if prompt.kind is Kind.ANSWER:
        return _answer(
            prompt, question, settings=settings, window=window, hits=hits, history=history,
            language=language, collection=collection,
        )  # fmt: skip
    if prompt.kind is Kind.REWRITE:
        values = rewrite_inputs(question, history or TALK, language=language, collection=collection)
    else:
        values = expand_inputs(
            question, expansion="queries", count=3, language=language, collection=collection
        )
    messages = prompt.messages(values)
    room = window.room(REPLY_TOKENS[prompt.kind])
    return Preview(tuple(messages), window.cost(messages), room, 0)


def _answer(
    prompt: Prompt,
    question: str,
    *,
    settings: Settings,
    window: Window,
    hits: Sequence[SearchHit],
    history: Sequence[Message],
    language: str | None,
    collection: str,
) -> Preview:
    def inputs(chosen: Sequence[SearchHit]) -> Inputs:
        shown = contained(chosen, quote=False)
        return answer_inputs(
            question, shown, history=history, language=language, collection=collection
        )

    tokens = settings.answers.max_tokens
    fitted: Fitted = fit_exactly(
        prompt,
        hits,
        inputs=inputs,
        context_tokens=settings.answers.context_tokens,
        window=window,
        max_tokens=tokens,
    )
    messages = fitted.messages()
    return Preview(tuple(messages), window.cost(messages), window.room(tokens), len(fitted.hits))
