"""A client of chats, and an answer that tests hold and let go."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from websockets.sync.client import ClientConnection, connect

from smartypants.api.services import AnswerRequest
from smartypants.auditing import source
from smartypants.auditing.source import Source
from smartypants.metering import payer
from smartypants.metering.payer import Payer
from smartypants.types import AnswerEvent, Citation, Delta, SearchResult
from tests.api.conftest import ANSWER, CITATION, HIT, RESULT

WORDS = ("The", " notice", " period", " is", " three", " months.", " [1]")


class Script:
    """Answers with these words, of which each waits until the test has let it go."""

    def __init__(self, document_id: str, words: tuple[str, ...] = WORDS) -> None:
        self.words = words
        self.asked: list[AnswerRequest] = []
        self.paid: list[Payer] = []
        self.acted: list[Source] = []
        self.closed = 0
        self.error: Exception | None = None
        self.document_id = document_id
        self._free = threading.Semaphore(0)
        self._held = False

    def hold(self) -> None:
        self._held, self._free = True, threading.Semaphore(0)

    def let(self, words: int) -> None:
        for _ in range(words):
            self._free.release()

    def let_all(self) -> None:
        self._held = False

    async def answer(self, request: AnswerRequest) -> AsyncIterator[AnswerEvent]:
        self.asked.append(request)
        self.paid.append(payer.current())
        self.acted.append(source.current())
        result, citation = self._about(self.document_id)
        try:
            yield result
            for word in self.words:
                while self._held and not self._free.acquire(blocking=False):
                    await asyncio.sleep(0.002)
                yield Delta(word)
            if self.error is not None:
                raise self.error
            yield citation
            yield replace(
                ANSWER, text="".join(self.words).strip(), citations=(citation,), hits=result.hits
            )
        finally:
            self.closed += 1

    def _about(self, document_id: str) -> tuple[SearchResult, Citation]:
        hit = replace(HIT, chunk=replace(HIT.chunk, document_id=document_id))
        return replace(RESULT, hits=(hit,)), replace(CITATION, document_id=document_id)


def whole(script: Script) -> str:
    return "".join(script.words).strip()


class Chat:
    """A connection, with what it heard."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, type_: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": type_, **fields}))

    def ask(self, question: str = "How long?", **fields: Any) -> str:
        ask_id = fields.pop("id", None) or uuid.uuid4().hex
        self.send("ask", id=ask_id, question=question, **fields)
        return str(ask_id)

    def hear(self, timeout: float = 60) -> dict[str, Any]:
        """The next message that is no ping."""
        while True:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout))
            if message["type"] != "ping":
                return message
            self.send("pong")

    def hear_what_is_there(self) -> list[dict[str, Any]]:
        heard = []
        try:
            while not heard or heard[-1]["type"] != "end":
                heard.append(self.hear(0.02))
        except TimeoutError:
            pass
        return heard

    def hear_until(self, type_: str, timeout: float = 60) -> list[dict[str, Any]]:
        heard = [self.hear(timeout)]
        while heard[-1]["type"] != type_:
            heard.append(self.hear(timeout))
        return heard


@contextmanager
def chat(url: str, headers: dict[str, str] | None = None, **options: Any) -> Iterator[Chat]:
    with connect(
        f"{url.replace('http', 'ws', 1)}/v1/chat", additional_headers=headers, **options
    ) as socket:
        opened = Chat(socket)
        ready = opened.hear()
        assert ready["type"] == "ready", ready
        yield opened


def text(messages: list[dict[str, Any]]) -> str:
    return "".join(m["text"] for m in messages if m["type"] == "token")
