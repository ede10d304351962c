"""A template: the messages of a conversation, each with its text still to be filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from smartypants.errors import PromptInvalid
from smartypants.ledger.columns import storable
from smartypants.prompts.inputs import Inputs, today
from smartypants.prompts.kinds import ALLOWED, Kind
from smartypants.prompts.rendering import MAX_CHARS, MAX_RENDERED_CHARS, rendered, variables_of
from smartypants.types import Message, PromptRef, Role, stable_id

MAX_MESSAGES = 8


class TemplateMessage(BaseModel):
    """One message, with the text of its template."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    content: str = Field(
        max_length=MAX_CHARS, description="Jinja2, as docs/prompts.md describes it."
    )


class Template(BaseModel):
    """Messages, and the variables that they use; without `variables`, those are found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages: tuple[TemplateMessage, ...] = Field(min_length=1, max_length=MAX_MESSAGES)
    variables: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _a_conversation(self) -> Template:
        if self.messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        if any(message.role == "system" for message in self.messages[1:]):
            raise ValueError("only the first message may be the system's")
        if sum(len(message.content) for message in self.messages) > MAX_CHARS:
            raise ValueError(f"the messages have more than {MAX_CHARS:,} characters")
        if any(storable(message.content) != message.content for message in self.messages):
            raise ValueError("a message has a character that can't be stored")
        return self

    def version(self, kind: Kind) -> str:
        """Changes with what the model is told."""
        told = (part for message in self.messages for part in (message.role, message.content))
        return stable_id(kind, *told)

    def used(self, kind: Kind) -> frozenset[str]:
        """Its variables. Raises `PromptInvalid` for those that the kind does not have."""
        used: set[str] = set()
        for where, message in self.places():
            used |= variables_of(message.content, ALLOWED[kind], where=where)
        return frozenset(used)

    def render(self, values: Inputs) -> list[Message]:
        """Raises `PromptInvalid`."""
        messages: list[Message] = []
        room = MAX_RENDERED_CHARS
        for where, message in self.places():
            text = rendered(message.content, values, where=where, max_chars=room)
            room -= len(text)
            messages.append(Message(message.role, text))
        return messages

    def places(self) -> Iterator[tuple[str, TemplateMessage]]:
        """Each message with the words by which errors call it."""
        for number, message in enumerate(self.messages, start=1):
            yield f"message {number} ({message.role})", message


def readable(fields: Mapping[str, Any]) -> Template:
    """A template from a file or the ledger. Raises `PromptInvalid`."""
    try:
        return Template.model_validate(fields)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise PromptInvalid(
            f"{where}: {said}." if where else f"{said[0].upper()}{said[1:]}.",
            "A template has `messages`, each with `role` and `content`.",
        ) from exc


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template in use; `passed_over` says why it is the default and not what was activated."""

    kind: Kind
    version: str
    template: Template
    default: bool = False
    passed_over: str = ""

    @property
    def ref(self) -> PromptRef:
        return PromptRef(self.kind, self.version)

    @property
    def told(self) -> str:
        """For cache keys: changes with what the model is told, as with the day where that shows."""
        version = self.template.version(self.kind)
        return f"{version}:{today()}" if "now" in self.template.used(self.kind) else version

    def messages(self, values: Inputs) -> list[Message]:
        """Raises `PromptInvalid`."""
        return self.template.render(values)
