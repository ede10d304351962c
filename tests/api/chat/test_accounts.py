"""On whose account a chat's questions are, and that each counts by itself."""

from __future__ import annotations

from dataclasses import replace

from smartypants.api.services import Services
from smartypants.limits.settings import LimitSet, LimitSettings, Quota
from smartypants.metering.payer import Payer
from tests.api.chat.client import Script, chat
from tests.api.chat.conftest import Serve
from tests.auth.conftest import key_of, required


def test_a_turn_is_on_the_account_of_who_asks(
    serve: Serve, services: Services, script: Script
) -> None:
    headers = key_of(services.engine, "ann")
    with chat(serve(required(services)), headers) as client:
        client.ask()
        client.hear_until("end")
    [paid], [acted] = script.paid, script.acted
    assert paid == Payer(acted.user_id, "ann", acted.key_id, "/v1/chat", "default")
    assert (acted.name, acted.operation) == ("ann", "WEBSOCKET /v1/chat")
    assert acted.user_id
    assert acted.key_id


def test_each_question_counts(serve: Serve, services: Services, script: Script) -> None:
    two = LimitSettings(user=LimitSet(daily=Quota(requests=2)))
    limited = required(services)
    limited = replace(limited, settings=limited.settings.model_copy(update={"limits": two}))
    headers = key_of(services.engine, "ann")
    with chat(serve(limited), headers) as client:  # one for the handshake
        client.ask()
        client.hear_until("end")
        ask_id = client.ask()
        [refused] = client.hear_until("error")
    assert refused["id"] == ask_id
    assert refused["problem"]["code"] == "quota_spent"
    assert len(script.asked) == 1
