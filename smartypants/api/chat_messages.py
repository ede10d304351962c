"""The messages of `WS /v1/chat`, version 1: each is a JSON object with a `type`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from smartypants.api.answers import Citation, QuestionRequest
from smartypants.api.bodies import parse, validate
from smartypants.api.conversation_views import ConversationTurn
from smartypants.api.fields import Identifier, RequestBody, no_controls
from smartypants.api.problems import FieldError, InvalidFields, Problem
from smartypants.settings import Settings

PATH: Final = "/v1/chat"
VERSION: Final = 1
SUBPROTOCOL: Final = "smartypants.chat.v1"

AskId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(no_controls),
    Field(description="Yours, a new one for each question, such as a UUID. Sent again, it is the "
          "same turn: the way to go on if the connection broke before `accepted` came."),
]  # fmt: skip
TurnNumber = Annotated[int, Field(ge=1, description="Default: the last one.")]


class ChatAsk(QuestionRequest):
    """Ask a question: the next turn of a conversation, or the first of a new one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "ask", "id": "q1", "question": "What is the notice period?"}]
        }
    )

    type: Literal["ask"]
    id: AskId
    conversation: Identifier | None = Field(
        None, description="Its collection is the one that its first question named."
    )


class ChatResume(RequestBody):
    """Get what a turn tells after the event `after`, until its end."""

    type: Literal["resume"]
    conversation: Identifier
    turn: TurnNumber | None = None
    after: Annotated[int, Field(ge=0)] = Field(0, description="The last `seq` that came. 0: all.")


class ChatCancel(RequestBody):
    """End a turn with what there is."""

    type: Literal["cancel"]
    conversation: Identifier
    turn: TurnNumber | None = None


class ChatPong(RequestBody):
    """The answer to `ping`."""

    type: Literal["pong"]


ClientMessage = ChatAsk | ChatResume | ChatCancel | ChatPong

_KINDS: Final[dict[object, type[ClientMessage]]] = {
    "ask": ChatAsk, "resume": ChatResume, "cancel": ChatCancel, "pong": ChatPong,
}  # fmt: skip


class ChatReady(BaseModel):
    """The first message."""

    type: Literal["ready"] = "ready"
    version: int = VERSION
    caller: str
    ping_s: float = Field(description="Nothing at all for twice as long: the connection is dead.")
    max_message_bytes: int
    max_in_flight: int


class ChatAccepted(BaseModel):
    """The turn that a question is; from here on it can be resumed."""

    type: Literal["accepted"] = "accepted"
    conversation: str
    turn: int
    seq: int
    id: str


class ChatToken(BaseModel):
    """The next piece of the answer."""

    type: Literal["token"] = "token"
    conversation: str
    turn: int
    seq: int
    text: str


class ChatCitation(BaseModel):
    """A passage that supports what came before."""

    type: Literal["citation"] = "citation"
    conversation: str
    turn: int
    seq: int
    citation: Citation


class ChatEnd(BaseModel):
    """The last event of a turn: the whole of it, as it is kept."""

    type: Literal["end"] = "end"
    conversation: str
    turn: int
    seq: int
    result: ConversationTurn


class ChatPing(BaseModel):
    """Answer `pong`."""

    type: Literal["ping"] = "ping"


class ChatError(BaseModel):
    """What went wrong: with the question of that id, with a turn, or with the connection."""

    type: Literal["error"] = "error"
    id: str | None = None
    conversation: str | None = None
    turn: int | None = None
    problem: Problem


ServerMessage = ChatReady | ChatAccepted | ChatToken | ChatCitation | ChatEnd | ChatPing | ChatError
MODELS: Final[tuple[type[BaseModel], ...]] = (
    ChatAsk, ChatResume, ChatCancel, ChatPong,
    ChatReady, ChatAccepted, ChatToken, ChatCitation, ChatEnd, ChatPing, ChatError,
)  # fmt: skip


def read(text: str, settings: Settings) -> ClientMessage:
    """Raises `InvalidRequest` or `InvalidFields`."""
    data = parse(text.encode("utf-8", "replace"))
    kind = data.get("type") if isinstance(data, dict) else None
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        message = f"must be one of {', '.join(map(str, _KINDS))}"
        raise InvalidFields(f"/type: {message}", "", (FieldError(path="/type", message=message),))
    return validate(model, data, settings)
