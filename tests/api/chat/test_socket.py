"""Chats over real sockets: asking, following, cancelling, limits, and who is let in."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from smartypants.api.chat_messages import SUBPROTOCOL
from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.errors import LLMUnavailable
from smartypants.ledger import api_keys, grants, sessions, turns, users
from smartypants.options.serving import HttpSettings
from smartypants.types import Message
from tests.api.chat.client import WORDS, Chat, Script, chat, text, whole
from tests.api.chat.conftest import QUICK, Serve, wait_until
from tests.auth.conftest import key_of, required


def code_of(closed: pytest.ExceptionInfo[ConnectionClosed]) -> int:
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def last_words(client: Chat) -> int:
    """The code that it is closed with, whatever comes before."""
    with suppress(ConnectionClosed):
        while True:
            client.socket.recv(30)
    return client.socket.close_code or 0


def test_a_conversation(serve: Serve, script: Script) -> None:
    url = serve()
    with chat(url, subprotocols=[SUBPROTOCOL]) as client:
        assert client.socket.subprotocol == SUBPROTOCOL
        ask_id = client.ask("How long is the notice period?")
        heard = client.hear_until("end")
        accepted, end = heard[0], heard[-1]
        assert accepted["type"], accepted["id"] == ("accepted", ask_id)
        assert [m["seq"] for m in heard] == list(range(1, len(heard) + 1))
        assert text(heard) == whole(script)
        [cited] = [m["citation"] for m in heard if m["type"] == "citation"]
        result = end["result"]
        assert (result["state"], result["answer"]) == ("finished", whole(script))
        assert result["citations"] == [cited]
        assert (result["found"], result["finish_reason"]) == (True, "stop")
        assert result["usage"] == {"prompt_tokens": 7, "completion_tokens": 6}
        conversation = accepted["conversation"]
        client.ask("And for parking?", conversation=conversation)
        assert client.hear()["turn"] == 2
        client.hear_until("end")
    first, second = script.asked
    assert first.query.history == ()
    assert second.query.history == (
        Message("user", "How long is the notice period?"),
        Message("assistant", whole(script)),
    )
    assert first.query.request_id != second.query.request_id
    stored = httpx.get(f"{url}/v1/conversations/{conversation}").json()
    assert stored["title"] == "How long is the notice period?"
    assert stored["turns"][0] == result
    [listed] = httpx.get(f"{url}/v1/conversations").json()["conversations"]
    assert listed["id"] == conversation
    metrics = httpx.get(f"{url}/metrics").text
    assert 'smartypants_chat_turns_total{state="finished"} 2.0' in metrics


def test_what_is_asked_reaches_the_answer(serve: Serve, script: Script) -> None:
    with chat(serve()) as client:
        client.ask(
            "x", top_k=7, max_tokens=9, temperature=0.5, mode="extractive", cache=False,
            collection="default", filters={"authors": ["Ann"]},
        )  # fmt: skip
        client.hear_until("end")
    [asked] = script.asked
    query = asked.query
    assert (query.top_k, query.collection, query.cache) == (7, "default", False)
    assert query.filters.authors == ("Ann",)
    assert (asked.sampling.max_tokens, asked.sampling.temperature) == (9, 0.5)
    assert asked.mode == "extractive"


def test_cancel_frees_the_place_and_keeps_what_came(serve: Serve, script: Script) -> None:
    script.hold()
    script.let(2)
    with chat(serve()) as client:
        client.ask()
        accepted = client.hear()
        assert [client.hear()["text"] for _ in range(2)] == list(WORDS[:2])
        client.send("cancel", conversation=accepted["conversation"])
        end = client.hear()
        assert (end["type"], end["seq"], end["result"]["state"]) == ("end", 4, "cancelled")
        assert end["result"]["answer"] == "The notice"
        assert script.closed == 1
        client.send("cancel", conversation=accepted["conversation"])  # nothing happens
        script.let_all()
        client.ask("Again?", conversation=accepted["conversation"])
        assert client.hear_until("end")[-1]["result"]["state"] == "finished"
    assert script.asked[1].query.history == ()  # what was cancelled is not told


def test_an_answer_is_kept_when_its_reader_has_left(
    serve: Serve, script: Script, services: Services
) -> None:
    url = serve(grace_s=5.0)
    script.hold()
    with chat(url) as client:
        client.ask()
        conversation = client.hear()["conversation"]
    script.let_all()
    wait_until(lambda: turns.get(services.engine, conversation).ended)
    kept = turns.get(services.engine, conversation)
    assert (kept.state, kept.answer) == ("finished", whole(script))


def test_after_the_grace_time_the_place_is_free(
    serve: Serve, script: Script, services: Services
) -> None:
    url = serve()
    script.hold()
    script.let(1)
    with chat(url) as client:
        client.ask()
        conversation = client.hear()["conversation"]
        client.hear()
        time.sleep(2 * QUICK.grace_s)  # somebody is there, so it goes on
        assert script.closed == 0
    wait_until(lambda: turns.get(services.engine, conversation).ended)
    assert script.closed == 1
    kept = turns.get(services.engine, conversation)
    assert (kept.state, kept.answer) == ("interrupted", "The")
    with chat(url) as client:
        client.send("resume", conversation=conversation, after=2)
        end = client.hear()
        assert (end["type"], end["result"]["state"]) == ("end", "interrupted")


def test_failures_are_told_and_kept(serve: Serve, script: Script) -> None:
    script.error = LLMUnavailable("It is down.", "Wait.")
    with chat(serve()) as client:
        client.ask()
        result = client.hear_until("end")[-1]["result"]
        assert result["state"] == "failed"
        expected = {"code": "llm_unavailable", "detail": "It is down.", "hint": "Wait."}
        assert result["error"] == expected
        script.error = ValueError("hunter2")
        client.ask()
        error = client.hear_until("end")[-1]["result"]["error"]
        assert error["code"] == "internal_error"
        assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("message", "code", "path"),
    [
        ("{", "invalid_request", None),
        (b"\xff", "invalid_request", None),
        ("[]", "validation_failed", "/type"),
        ('{"type": ["ask"]}', "validation_failed", "/type"),
        ('{"type": "shout"}', "validation_failed", "/type"),
        ('{"type": "ask", "id": "a"}', "validation_failed", "/question"),
        ('{"type": "ask", "id": "", "question": "x"}', "validation_failed", "/id"),
        (
            '{"type": "ask", "id": "a", "question": "x", "colour": 1}',
            "validation_failed",
            "/colour",
        ),
        ('{"type": "ask", "id": "a", "question": "x", "top_k": 51}', "validation_failed", "/top_k"),
        ('{"type": "resume", "conversation": "c", "after": -1}', "validation_failed", "/after"),
        ('{"type": "resume", "conversation": "no"}', "conversation_not_found", None),
        ('{"type": "cancel", "conversation": "no"}', "conversation_not_found", None),
        (
            '{"type": "ask", "id": "a", "question": "x", "conversation": "no"}',
            "conversation_not_found",
            None,
        ),
    ],
)
def test_bad_messages_are_problems(
    serve: Serve, message: str | bytes, code: str, path: str | None
) -> None:
    with chat(serve()) as client:
        client.socket.send(message)
        error = client.hear()
        assert error["type"] == "error"
        assert error["problem"]["code"] == code
        assert error["problem"]["request_id"]
        if path is not None:
            assert error["problem"]["errors"][0]["path"] == path
        client.ask()  # and the connection goes on
        assert client.hear_until("end")


def test_one_turn_at_a_time_in_a_conversation(serve: Serve, script: Script) -> None:
    script.hold()
    with chat(serve()) as client:
        client.ask()
        accepted = client.hear()
        second = client.ask("And?", conversation=accepted["conversation"])
        error = client.hear()
        assert (error["id"], error["problem"]["code"]) == (second, "turn_in_progress")
        script.let_all()
        client.hear_until("end")


def test_limits(serve: Serve, script: Script) -> None:
    url = serve(max_in_flight=2, max_turns=2, max_connections=2, max_message_bytes=300)
    script.hold()
    with chat(url) as client, chat(url):
        for _ in range(3):
            client.ask()
        heard = {m["type"]: m for m in (client.hear() for _ in range(3))}
        assert set(heard) == {"accepted", "error"}
        assert heard["error"]["problem"]["code"] == "overloaded"
        script.let_all()
        ended = client.hear_until("end") + client.hear_until("end")
        conversation = ended[-1]["conversation"]
        client.ask(conversation=conversation)
        client.hear_until("end")
        client.ask(conversation=conversation)
        assert client.hear()["problem"]["code"] == "conversation_full"
        with connect(f"{url.replace('http', 'ws')}/v1/chat") as third:
            assert json.loads(third.recv())["problem"]["code"] == "overloaded"
            with pytest.raises(ConnectionClosed) as closed:
                third.recv(5)
        assert code_of(closed) == 4429
        client.ask("x" * 300)
        with pytest.raises(ConnectionClosed) as closed:
            client.hear()
        assert code_of(closed) == 1009
    with chat(url):  # there is room again
        pass


def test_dead_and_idle_connections_are_closed(serve: Serve) -> None:
    url = serve(idle_s=12.0, timeout_s=4.0)
    with chat(url) as dead:
        time.sleep(5.5)  # hears pings, and says nothing
        assert last_words(dead) == 4408
    with chat(url) as idle, pytest.raises(ConnectionClosed) as closed:
        idle.hear()
    assert code_of(closed) == 4409


def test_a_reader_that_takes_nothing_is_let_go(
    serve: Serve, script: Script, services: Services
) -> None:
    """Its messages wait where they are; the turn ends, and is kept."""
    script.words = tuple("x" * 100_000 for _ in range(400))
    url = serve(ping_s=60.0, timeout_s=3.0)
    with chat(url, max_queue=1, compression=None) as client:
        client.ask()
        conversation = client.hear()["conversation"]
        wait_until(lambda: turns.get(services.engine, conversation).ended)
        metric = "smartypants_chat_connections"
        wait_until(lambda: f"{metric} 0.0" in httpx.get(f"{url}/metrics").text)
    with chat(serve(), max_size=None) as client:
        client.send("resume", conversation=conversation, after=1)
        assert len(text(client.hear_until("end"))) == 400 * 100_000


def test_an_unknown_subprotocol_is_refused(serve: Serve) -> None:
    address = f"{serve().replace('http', 'ws')}/v1/chat"
    with connect(address, subprotocols=["smartypants.chat.v9"]) as socket:  # type: ignore[list-item]
        assert SUBPROTOCOL in json.loads(socket.recv())["problem"]["hint"]
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(5)
    assert code_of(closed) == 4400


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
def test_nobody_gets_in_without_saying_who(
    serve: Serve, services: Services, headers: dict[str, str]
) -> None:
    url = serve(required(services)).replace("http", "ws")
    with connect(f"{url}/v1/chat", additional_headers=headers) as socket:
        said = json.loads(socket.recv())
        assert said["problem"]["status"] == 401
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(5)
    assert code_of(closed) == 4401


def test_pages_of_other_sites_get_nothing(serve: Serve, services: Services) -> None:
    http = HttpSettings(cors_origins=("https://friend.example",))
    base = replace(services, settings=services.settings.model_copy(update={"http": http}))
    url = serve(base)
    for origin, welcome in (
        (url, True),
        ("https://friend.example", True),
        ("https://evil.example", False),
    ):
        with connect(f"{url.replace('http', 'ws')}/v1/chat", origin=origin) as socket:  # type: ignore[arg-type]
            said = json.loads(socket.recv())
            assert (said["type"] == "ready") == welcome
            if not welcome:
                assert said["problem"]["code"] == "forbidden"


def test_a_browsers_session(serve: Serve, services: Services) -> None:
    """From our own pages alone, until it ends."""
    engine = services.engine
    user = users.create(engine, "ann", role=Role.READER)
    secret = sessions.begin(engine, user.id, absolute_s=60)
    cookie = {"Cookie": f"smartypants_session={secret}"}
    url = serve(required(services))
    with chat(url, cookie, origin=url) as client:
        client.ask()
        client.hear_until("end")
        with connect(
            f"{url.replace('http', 'ws')}/v1/chat",
            additional_headers=cookie,
            origin="https://evil.example",  # type: ignore[arg-type]
        ) as evil:
            assert json.loads(evil.recv())["problem"]["code"] == "forbidden"
        sessions.end(engine, secret)
        client.ask()
        assert last_words(client) == 4401


def test_a_revoked_key_ends_the_chat(serve: Serve, services: Services, script: Script) -> None:
    headers = key_of(services.engine, "ann")
    url = serve(required(services), ping_s=0.2)
    script.hold()
    with chat(url, headers) as client:
        client.ask()
        client.hear()
        user = users.named(services.engine, "ann")
        [key] = api_keys.every(services.engine, user.id)
        api_keys.revoke(services.engine, key.id)
        error = client.hear()
        assert error["problem"]["code"] == "credentials_invalid"
        with pytest.raises(ConnectionClosed):
            client.hear()
    wait_until(lambda: script.closed == 1)


def test_a_revoked_key_asks_nothing_more(serve: Serve, services: Services, script: Script) -> None:
    headers = key_of(services.engine, "ann")
    with chat(serve(required(services), ping_s=60.0), headers) as client:
        client.ask()
        client.hear_until("end")
        user = users.named(services.engine, "ann")
        [key] = api_keys.every(services.engine, user.id)
        api_keys.revoke(services.engine, key.id)
        client.ask()
        assert client.hear()["problem"]["status"] == 401
    assert len(script.asked) == 1


def test_the_principals_are_those_of_the_turn(
    serve: Serve, services: Services, script: Script
) -> None:
    headers = key_of(services.engine, "ann")
    with chat(serve(required(services)), headers) as client:
        client.ask()
        client.hear_until("end")
    assert script.asked[0].query.principals == ("public", "user:ann")


def test_a_conversation_stays_in_its_collection(
    serve: Serve, services: Services, script: Script
) -> None:
    with chat(serve()) as client:
        client.ask(collection="default")
        conversation = client.hear_until("end")[-1]["conversation"]
        client.ask(conversation=conversation)
        client.hear_until("end")
        assert script.asked[1].query.collection == "default"
        client.ask(conversation=conversation, collection="other")
        assert client.hear()["problem"]["code"] == "invalid_request"


def test_a_hidden_collection_answers_as_one_that_is_not_there(
    serve: Serve, services: Services, script: Script
) -> None:
    headers = key_of(services.engine, "ann")
    grants.give(services.engine, "default", "group:legal", Role.READER)
    told = []
    with chat(serve(required(services)), headers) as client:
        for name in ("default", "nowhere"):
            client.ask(collection=name)
            problem = client.hear()["problem"]
            assert problem["code"] == "collection_not_found"
            told.append((problem["detail"].replace(name, ""), problem["hint"]))
    assert told[0] == told[1]
    assert script.asked == []
