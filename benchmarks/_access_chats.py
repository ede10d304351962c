"""What users are told in chats, and what their conversations say afterwards."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks._access_documents import NOBODYS, QUESTION, answered, mentioned, refused, told
from benchmarks._access_model import Item, Seen, Talk
from benchmarks._access_world import COLLECTIONS, World

REMEMBERED = 3
"""Turns before that a question is answered with."""
ABOUT = 3
"""Documents that a question is about."""
READ_BACK = 4
"""Conversations that are read again, each time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a message in a chat."""

    messages: list[dict[str, Any]]

    @property
    def text(self) -> str:
        return json.dumps(self.messages)

    @property
    def conversation(self) -> str | None:
        """Of the turn that a question was made."""
        accepted = [m for m in self.messages if m["type"] == "accepted"]
        return accepted[0]["conversation"] if accepted else None

    @property
    def result(self) -> dict[str, Any] | None:
        last = self.messages[-1]
        return last["result"] if last["type"] == "end" else None

    def outcome(self, name: str) -> str:
        """What tells it from what came of something else than this name."""
        last = self.messages[-1]
        return refused(last["problem"], name) if last["type"] == "error" else last["type"]


def seen(world: World, user: str) -> Iterator[Seen]:
    yield from _asked(world, user)
    talks = list(world.company.talks)
    world.random.shuffle(talks)
    for talk in [talk for talk in talks if talk.owner == user][:READ_BACK]:
        yield from _read_back(world, user, talk)
    others = [talk for talk in talks if talk.owner != user][:READ_BACK]
    for talk in others:
        yield from _of_another(world, user, talk)
    for talk in others[:1]:
        yield from _removed(world, user, talk)
    listed = world.web.get(user, "/v1/conversations", limit=500).text
    reads = world.company.reads_anything(user)
    for talk in talks:
        yield Seen("conversations", talk.id, talk.id in listed, reads and talk.owner == user)


def ask(
    world: World, user: str, collection: str, about: frozenset[str], talk: Talk | None = None
) -> Heard:
    """A question about some documents: the next of a conversation, or the first of a new one."""
    where = {"collection": collection} if talk is None else {"conversation": talk.id}
    return _said(
        world,
        user,
        {
            "type": "ask",
            "id": uuid.uuid4().hex,
            "question": QUESTION,
            "mode": "extractive",
            "filters": {"document_ids": sorted(about)},
            "options": {"collapse": False, "spelling": False},
            **where,
        },
    )


def _said(world: World, user: str, message: dict[str, Any]) -> Heard:
    """A message on a connection of its own, and what comes up to the end or an error."""
    heard: list[dict[str, Any]] = []
    with world.web.chat(user) as chat:
        heard.append(chat.receive_json())
        if heard[-1]["type"] == "ready":
            chat.send_json(message)
        while heard[-1]["type"] not in ("end", "error"):
            heard.append(chat.receive_json())
    return Heard(heard)


def _among(ids: frozenset[str]) -> Callable[[Item], bool]:
    return lambda item: item.id in ids


def _asked(world: World, user: str) -> Iterator[Seen]:
    company, chance = world.company, world.random
    mine = [talk for talk in company.talks if talk.owner == user]
    talk = chance.choice([None, *mine[-2:]])
    collection = talk.collection if talk else chance.choice(COLLECTIONS)
    every = list(company.items.values())
    items = [item for item in every if item.collection == collection]
    about = frozenset(item.id for item in chance.sample(items, ABOUT))
    heard = ask(world, user, collection, about, talk)
    yield Seen("chat", collection, heard.result is not None, company.sees(user, collection))
    if heard.result is None or heard.conversation is None:
        return
    sources = frozenset(i.id for i in items if i.id in about and company.finds(user, i))
    cited = [citation["document_id"] for citation in heard.result["citations"]]
    names = ", ".join(company.items[each].name for each in sorted(about))
    yield Seen("chat", names, bool(cited), bool(sources))
    yield from told("chat", mentioned(world, heard.text), every, _among(sources))
    if talk is None:
        talk = Talk(heard.conversation, user, collection)
        company.talks.append(talk)
    repeated = [t for t in talk.turns[-REMEMBERED:] if company.may_hear(user, t)]
    talk.turns.append(sources.union(*repeated))


def _read_back(world: World, user: str, talk: Talk) -> Iterator[Seen]:
    """Whole turns are withheld; the last one is heard again in a chat."""
    company, web = world.company, world.web
    every = list(company.items.values())
    response = web.get(user, f"/v1/conversations/{talk.id}")
    reads = company.reads_anything(user)
    yield Seen("conversation", talk.id, response.status_code == 200, reads)
    turns = response.json().get("turns", ())
    for turn, sources in zip(turns, talk.turns, strict=bool(turns)):
        right = company.may_hear(user, sources)
        yield Seen("conversation", f"{talk.id} {turn['number']}", turn["answer"] is not None, right)
        may = sources if right else frozenset[str]()
        told_of = mentioned(world, json.dumps(turn))
        yield from told("conversation", told_of, every, _among(may))
    heard = _said(world, user, {"type": "resume", "conversation": talk.id})
    right = reads and company.may_hear(user, talk.turns[-1])
    again = heard.result is not None and heard.result["answer"] is not None
    tokens = any(message["type"] == "token" for message in heard.messages)
    yield Seen("resume", talk.id, again, right)
    yield Seen("resume", talk.id, tokens, right)
    may = talk.turns[-1] if right else frozenset[str]()
    yield from told("resume", mentioned(world, heard.text), every, _among(may))
    renamed = web.ask(user, "PUT", f"/v1/conversations/{talk.id}", json={"title": "Budgets"})
    yield Seen("conversation", f"{talk.id} renamed", renamed.status_code == 200, reads)


def _of_another(world: World, user: str, talk: Talk) -> Iterator[Seen]:
    """It is as one that is not there."""
    for method, body in (("GET", None), ("PUT", {"title": "Mine"})):
        here, absent = (
            answered(world.web.ask(user, method, f"/v1/conversations/{each}", json=body), each)
            for each in (talk.id, NOBODYS)
        )
        yield Seen("conversation", f"{talk.id} {method}", here != absent, False)
    resumed, nobodys = (
        _said(world, user, {"type": "resume", "conversation": each}).outcome(each)
        for each in (talk.id, NOBODYS)
    )
    yield Seen("resume", talk.id, resumed != nobodys, False)


def _removed(world: World, user: str, talk: Talk) -> Iterator[Seen]:
    """An admin may remove another's unread."""
    here, absent = (
        answered(world.web.ask(user, "DELETE", f"/v1/conversations/{each}"), each)
        for each in (talk.id, NOBODYS)
    )
    right = world.company.admin(user)
    yield Seen("conversation", f"{talk.id} removed", here != absent, right)
    if right:
        world.company.talks.remove(talk)
