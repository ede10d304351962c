"""What `/v1/prompts` takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from smartypants.api.fields import CollectionName, Identifier, Params, Question, RequestBody, Time
from smartypants.prompts.shares import MAX_VERSIONS
from smartypants.prompts.template import MAX_MESSAGES, TemplateMessage
from smartypants.types import Role

Name = Literal["answer", "rewrite", "expand"]
Note = Annotated[str, StringConstraints(max_length=2000)]
Scope = Annotated[
    CollectionName | None, Field(description="Null: all that have none of their own.")
]
Messages = Annotated[list[TemplateMessage], Field(min_length=1, max_length=MAX_MESSAGES)]


class PromptScope(Params):
    collection: CollectionName | None = None


class PromptPath(PromptScope):
    name: Name


class PromptOnly(Params):
    name: Name


class PromptRequest(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "answer",
                    "messages": [
                        {
                            "role": "user",
                            "content": "{% for passage in passages %}\n{{ passage.text }}\n\n"
                            "{% endfor %}\nAnswer from this text alone: {{ question }}",
                        }
                    ],
                    "note": "Without a system message.",
                }
            ]
        }
    )

    name: Name
    collection: Scope = None
    messages: Messages
    variables: list[str] | None = Field(None, description="Those used; found where left out.")
    note: Note = ""


class VersionShare(RequestBody):
    version: Identifier = Field(description="Or its beginning; `default` is the packaged one.")
    share: float = Field(1.0, gt=0, le=1, allow_inf_nan=False)


class ActivateRequest(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"versions": [{"version": "default", "share": 1.0}]},
            ]
        }
    )

    collection: Scope = None
    versions: list[VersionShare] = Field(
        max_length=MAX_VERSIONS,
        description="Shares sum to 1. Empty: a collection uses what holds for all again.",
    )
    note: Note = ""


class RollbackRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "It was worse."}]})

    collection: Scope = None
    note: Note = ""


class PreviewRequest(RequestBody):
    """One of `version` and `messages`, or neither: what is active."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "How long is the notice period?"}]}
    )

    question: Question
    collection: Scope = None
    version: Identifier | None = None
    messages: Messages | None = None
    search: bool = Field(
        False, description="With passages that the caller finds; else with samples."
    )


class PromptVersion(BaseModel):
    version: str
    collection: str | None
    messages: list[TemplateMessage]
    created_at: Time | None = Field(description="Null: it is packaged.")
    created_by: str
    note: str


class ActiveVersion(BaseModel):
    version: str
    share: float


class PromptActivation(BaseModel):
    id: int
    versions: list[ActiveVersion] = Field(description="Empty: what holds for all.")
    restores: int | None = Field(description="The activation that a rollback went back to.")
    created_at: Time
    created_by: str
    note: str


class Prompt(BaseModel):
    """What queries use now."""

    name: Name
    collection: str | None
    own: bool = Field(description="Whether it was activated for just this collection.")
    active: list[ActiveVersion]
    variables: list[str] = Field(description="Those that its templates may use.")


class PromptList(BaseModel):
    prompts: list[Prompt]


class PromptHistory(Prompt):
    """`versions` and `activations`: newest first."""

    versions: list[PromptVersion]
    activations: list[PromptActivation]


class RenderedMessage(BaseModel):
    role: Role
    content: str


class PromptPreview(BaseModel):
    version: str
    messages: list[RenderedMessage]
    tokens: int = Field(description="As the model counts, or an estimate from above.")
    room: int = Field(description="Tokens that a prompt may have.")
    passages: int
