from __future__ import annotations

import asyncio
import socket
from importlib.util import find_spec

import pytest

from smartypants.errors import SetupError
from smartypants.safety.options import PersonalDataOptions, SafetySettings
from smartypants.safety.personal_data import PersonalData
from smartypants.safety.policy import Safety
from smartypants.safety.streams import Findings

needs_presidio = pytest.mark.skipif(
    find_spec("presidio_analyzer") is None, reason="the extra `safety` is not installed"
)
TEXT = "Ask Ann Miller. Her address is ann.miller@example.org and her card 4111 1111 1111 1111."


def policy(**entities: str) -> PersonalDataOptions:
    return PersonalDataOptions.model_validate({"enabled": True, "entities": entities})


@needs_presidio
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_each_entity_by_its_policy(size: int) -> None:
    chosen = policy(EMAIL_ADDRESS="mask", CREDIT_CARD="remove", PERSON="allow")
    response = Safety(SafetySettings(personal_data=chosen)).response()

    async def read() -> str:
        pieces = [await response.feed(TEXT[n : n + size]) for n in range(0, len(TEXT), size)]
        return "".join(pieces) + await response.finish()

    masked = "Ask Ann Miller. Her address is [email address] and her card ."
    assert asyncio.run(read()) == masked
    assert [notice.code for notice in response.notices()] == ["personal_data_removed"]


@needs_presidio
def test_nobody_is_asked_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    finder = PersonalData(policy(EMAIL_ADDRESS="mask", PERSON="mask"))
    assert "[email address]" in finder.redact("Write to bo@mail.example.co.uk.", Findings())


@needs_presidio
def test_model_that_is_not_there() -> None:
    finder = PersonalData(policy(PERSON="mask").model_copy(update={"model": "xx_no_such"}))
    with pytest.raises(SetupError, match="xx_no_such"):
        finder.redact("Ann Miller called.", Findings())


def test_policy_that_allows_everything_needs_no_model() -> None:
    finder = PersonalData(policy(PERSON="allow").model_copy(update={"model": "xx_no_such"}))
    assert finder.redact("Ann Miller called.", Findings()) == "Ann Miller called."
