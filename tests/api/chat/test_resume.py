"""Whoever lost the connection gets the rest of a turn, from any replica, exactly once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import update

from smartypants.api.services import Services
from smartypants.ledger import conversations, turns
from smartypants.ledger.chat_schema import turns as table
from tests.api.chat.client import WORDS, Script, chat, text, whole
from tests.api.chat.conftest import QUICK, Serve, wait_until
from tests.auth.conftest import served
from tests.ports import free_port

GRACE_S = 5.0
"""In which a connection is made and the next heartbeat heard, on a busy machine too."""
LAST = len(WORDS) + 3
"""Accepted, the words, a citation, the end."""


def rest(url: str, conversation: str, after: int) -> list[dict[str, Any]]:
    with chat(url) as client:
        client.send("resume", conversation=conversation, after=after)
        return client.hear_until("end")


def check(heard: list[dict[str, Any]], after: int) -> None:
    """It is exactly what comes after."""
    pieces = range(min(after, LAST - 1) + 1, LAST)
    assert [m["seq"] for m in heard] == [*pieces, max(LAST, after + 1)]
    assert text(heard) == "".join(WORDS[max(after - 1, 0) :])


def test_from_every_place_after_the_end(serve: Serve, script: Script) -> None:
    url, other = serve(), serve()
    with chat(url) as client:
        client.ask()
        conversation = client.hear_until("end")[-1]["conversation"]
    for after in range(LAST + 2):
        for replica in (url, other):
            check(rest(replica, conversation, after), after)


def test_from_every_place_while_it_is_answered(serve: Serve, script: Script) -> None:
    """In the replica that answers as it comes; in another once it has ended."""
    url, other = serve(grace_s=5.0), serve(grace_s=5.0)
    for after in range(1, len(WORDS) + 1):
        script.hold()
        script.let(after - 1)
        with chat(url) as client:
            client.ask()
            heard = [client.hear() for _ in range(after)]
        conversation = heard[0]["conversation"]
        with ThreadPoolExecutor(2) as pool:
            found = [pool.submit(rest, each, conversation, after) for each in (url, other)]
            time.sleep(0.1)
            script.let_all()
        for later in (each.result() for each in found):
            check(later, after)
            assert text(heard) + text(later) == whole(script)


def test_whoever_waits_in_another_replica_keeps_it_going(
    serve: Serve,
    script: Script,
    services: Services,
) -> None:
    url, other = serve(grace_s=GRACE_S), serve(grace_s=GRACE_S, ping_s=60.0)
    script.hold()
    with chat(url) as client:
        client.ask()
        conversation = client.hear()["conversation"]
    with chat(other) as client:
        client.send("resume", conversation=conversation, after=1)
        time.sleep(2.5 * GRACE_S)
        assert script.closed == 0
        script.let_all()
        assert client.hear_until("end")[-1]["result"]["state"] == "finished"


def test_cancelled_from_another_replica(serve: Serve, script: Script) -> None:
    url, other = serve(), serve()
    script.hold()
    script.let(1)
    with chat(url) as client, chat(other) as elsewhere:
        client.ask()
        conversation = client.hear()["conversation"]
        elsewhere.send("cancel", conversation=conversation)
        end = client.hear_until("end")[-1]
        assert end["result"]["state"] == "cancelled"
        assert end["result"]["answer"] == "The"


def test_a_replica_that_died_is_told_of(
    serve: Serve,
    script: Script,
    services: Services,
) -> None:
    url = serve()
    with chat(url) as client:
        client.ask()
        conversation = client.hear_until("end")[-1]["conversation"]
        dead = update(table).values(
            state="running", pieces=[], citations=[], answer=None, runner="dead",
            lease_until=time.time() + 0.5,
        )  # fmt: skip
        with services.engine.begin() as connection:
            connection.execute(dead)
        client.send("resume", conversation=conversation, after=7)
        end = client.hear()
        assert (end["type"], end["seq"]) == ("end", 8)
        assert end["result"]["state"] == "interrupted"
        client.ask("Again?", conversation=conversation)  # nothing is in its way
        assert client.hear_until("end")[-1]["result"]["state"] == "finished"


def test_a_question_that_is_sent_again_is_one_turn(
    serve: Serve,
    script: Script,
) -> None:
    url, other = serve(), serve()
    heard = []
    for replica in (url, other, url):
        with chat(replica) as client:
            client.ask("Once?", id="the-same")
            heard.append(client.hear_until("end"))
    assert heard[0] == heard[1] == heard[2]
    assert len(script.asked) == 1
    with chat(url) as client:
        client.ask("Another?", id="the-same")
        assert client.hear()["problem"]["code"] == "idempotency_key_reused"


def test_a_conversation_that_is_removed_ends(
    serve: Serve,
    script: Script,
    services: Services,
) -> None:
    script.hold()
    with chat(serve()) as client:
        client.ask()
        conversation = client.hear()["conversation"]
        conversations.remove(services.engine, conversation)
        error = client.hear()
        assert (error["conversation"], error["problem"]["code"]) == (conversation, "unavailable")
    wait_until(lambda: script.closed == 1)


STEPS = st.lists(
    st.sampled_from(["let", "let", "hear", "drop", "switch", "cancel"]), min_size=1, max_size=14
)


@examples(max_examples=25, deadline=None, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(steps=STEPS)
def test_any_order_of_drops_and_cancels(
    replicas: tuple[str, str], script: Script, services: Services, steps: list[str]
) -> None:
    """What was heard in pieces over several connections and replicas is what is kept."""
    script.hold()
    heard: list[dict[str, Any]] = []
    here = 0
    with ExitStack() as stack:
        client = stack.enter_context(chat(replicas[here]))
        client.ask()
        heard.append(client.hear())
        conversation = heard[0]["conversation"]
        for step in steps:
            if step == "let":
                script.let(1)
            elif step == "hear":
                heard += client.hear_what_is_there()
            elif step == "cancel":
                client.send("cancel", conversation=conversation)
            else:
                stack.close()
                here = 1 - here if step == "switch" else here
                client = stack.enter_context(chat(replicas[here]))
                client.send("resume", conversation=conversation, after=heard[-1]["seq"])
        script.let_all()
        while heard[-1]["type"] != "end":
            heard.append(client.hear())
    assert [m["seq"] for m in heard] == list(range(1, len(heard) + 1))
    result = heard[-1]["result"]
    assert text(heard).strip() == result["answer"]
    assert result["state"] in (("cancelled", "finished") if "cancel" in steps else ("finished",))
    if result["state"] == "finished":
        assert result["answer"] == whole(script)
    assert turns.get(services.engine, conversation).answer == result["answer"]


def test_at_the_end_of_the_process_turns_are_interrupted(
    services: Services, script: Script
) -> None:
    settings = services.settings.model_copy(update={"chat": QUICK})
    script.hold()
    script.let(1)
    made = replace(services, settings=settings, answer=script.answer)
    with ExitStack() as stack:
        url = stack.enter_context(served(made, free_port()))
        client = stack.enter_context(chat(url))
        client.ask()
        conversation = client.hear()["conversation"]
        client.hear()
        stack.pop_all().close()
    kept = turns.get(services.engine, conversation)
    assert (kept.state, kept.answer) == ("interrupted", "The")
