"""Whether a template keeps what its kind needs, whatever it is rendered with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from smartypants.errors import PromptInvalid, PromptTooLong
from smartypants.prompts.fitting import Window
from smartypants.prompts.inputs import (
    EMPTY_PASSAGE,
    Inputs,
    Passage,
    answer_inputs,
    expand_inputs,
    rewrite_inputs,
)
from smartypants.prompts.kinds import REPLY_TOKENS, Kind
from smartypants.prompts.template import Template
from smartypants.types import Message

PASSAGE_TOKENS = 64
"""A template has to leave room for a passage of so many tokens."""

QUESTION = "How many weeks is the notice period?"
TALK = (
    Message("user", "What does the lease say about the yard?"),
    Message("assistant", "It may be used by all tenants."),
)
PASSAGES = tuple(
    Passage(text, "Lease > Notice", "Lease", "file:///lease.md", index)
    for index, text in enumerate(
        ("The notice period is six weeks.", "Notice is given in writing.", "Rent is due monthly."),
        start=1,
    )
)
BARE = Passage("Notice is given by post.", "", "", "", 1)


def validate(kind: Kind, template: Template, *, window: Window, answer_tokens: int) -> None:
    """Raises `PromptInvalid`, which says where, or `PromptTooLong`.

    `answer_tokens` are those of an answer; the other kinds' replies have their own length.
    """
    used = template.used(kind)
    if template.variables is not None and set(template.variables) != used:
        _undeclared(set(template.variables), used)
    for values in samples(kind):
        _keeps(kind, template.render(values), values)
    cost = max(window.cost(template.render(values)) for values in smallest(kind))
    room = window.room(REPLY_TOKENS.get(kind, answer_tokens))
    needed = PASSAGE_TOKENS if kind is Kind.ANSWER else 0
    if cost + needed > room:
        raise PromptTooLong(
            f"Without passages it takes {cost} tokens, and the model has room for "
            f"{room - needed} beside its reply{' and one passage' if needed else ''}.",
            "Shorten it, or raise llm.max_model_len.",
        )


def samples(kind: Kind) -> Iterator[Inputs]:
    """What a template may be given, in every combination of what may be missing."""
    for language, talk in product((None, "de"), ((), TALK)):
        if kind is Kind.ANSWER:
            bare = answer_inputs(QUESTION, (), language=language, history=talk, collection="docs")
            for passages in (PASSAGES[:1], PASSAGES, (BARE,)):
                yield {**bare, "passages": passages}
        elif kind is Kind.REWRITE:
            yield rewrite_inputs(QUESTION, TALK, language=language, collection="docs")
        else:
            for expansion in ("queries", "hypothetical"):
                yield expand_inputs(
                    QUESTION, expansion=expansion, count=3, language=language, collection="docs"
                )


def smallest(kind: Kind) -> Iterator[Inputs]:
    """What takes fewest tokens, for each way through a template."""
    for values in samples(kind):
        least: dict[str, object] = {"question": "?", "history": ()}
        if kind is Kind.ANSWER:
            least["passages"] = (EMPTY_PASSAGE,)
        yield {**values, **{name: value for name, value in least.items() if name in values}}


def _keeps(kind: Kind, messages: Sequence[Message], values: Inputs) -> None:
    """Raises `PromptInvalid` unless what the kind is about comes out."""
    told = "\n".join(message.content for message in messages)
    needed = {"the question": (QUESTION,)}
    passages, history = values.get("passages"), values.get("history")
    if kind is Kind.ANSWER and isinstance(passages, tuple):
        needed["the text of every passage"] = tuple(passage.text for passage in passages)
    if kind is Kind.REWRITE and isinstance(history, tuple):
        needed["the content of every turn of the history"] = tuple(t.content for t in history)
    for what, texts in needed.items():
        if any(text not in told for text in texts):
            raise PromptInvalid(
                f"The template of {kind} does not show {what}.",
                "It must do so whatever else it is given; see docs/prompts.md.",
            )


def _undeclared(declared: set[str], used: frozenset[str]) -> None:
    parts = []
    if used - declared:
        parts.append(f"uses {', '.join(sorted(used - declared))} without declaring it")
    if declared - used:
        parts.append(f"declares {', '.join(sorted(declared - used))} without using it")
    raise PromptInvalid(
        f"The template {' and '.join(parts)}.", "Mend `variables`, or leave it out."
    )
