"""The settings of chats; `settings.chat`."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from smartypants.options.section import Section


class ChatSettings(Section):
    max_message_bytes: PositiveInt = Field(
        65_536, description="Largest message of a client; a larger one ends the connection."
    )
    max_connections: PositiveInt = Field(
        16, description="Open connections of one caller, in each ingress replica."
    )
    max_in_flight: PositiveInt = Field(
        4, description="Turns that a connection asks for or follows at once."
    )
    max_turns: PositiveInt = Field(200, description="Turns of a conversation.")
    keep_days: NonNegativeInt = Field(
        90,
        description="A conversation in which nothing was asked for so long is removed. 0: never.",
    )
    grace_s: PositiveFloat = Field(
        30.0,
        description="A turn that nobody follows goes on for this long; then it is interrupted, "
        "and the language model's place is free.",
    )
    ping_s: PositiveFloat = Field(20.0, description="Seconds between pings to a client.")
    timeout_s: PositiveFloat = Field(
        20.0,
        description="A client that does not answer a ping, or take a message, by then is gone.",
    )
    idle_s: PositiveFloat = Field(
        1800.0, description="A connection that asks nothing for longer is closed."
    )
    lease_s: PositiveFloat = Field(
        10.0,
        description="A process that does not say for longer that it is answering is taken for "
        "dead, and its turns are interrupted.",
    )
