"""A turn that is being answered in this process: what it has told, for any number of readers.

Readers keep a place in it and no copy, so a slow one costs nothing; the answer's length bounds it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing

import structlog

from smartypants.chatting.events import FIRST_PIECE, End, Piece, stored
from smartypants.errors import SmartyPantsError, Unavailable
from smartypants.ledger.turn_leases import Outcome
from smartypants.ledger.turns import Turn, TurnState
from smartypants.types import Answer, AnswerEvent, Citation, Delta, SearchResult

Events = Callable[[], AsyncGenerator[AnswerEvent, None]]

log = structlog.get_logger(__name__)


class RunningTurn:
    """What is answered, and who reads it.

    >>> async for event in running.follow(after=0):
    ...     await send(event)
    """

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.sources: set[str] = set()
        self.watchers = 0
        self.watched_until = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.work: asyncio.Task[None] | None = None
        self._pieces: list[str | Citation] = []
        self._answer: Answer | None = None
        self._stopped = TurnState.INTERRUPTED
        self._ended: Turn | None = None
        self._lost = False
        self._moved = asyncio.Event()

    async def answer(self, events: Events) -> None:
        async with aclosing(events()) as told:
            async for event in told:
                self._take(event)

    def told(self, sources: Iterable[str]) -> None:
        """Documents that the answer may tell of."""
        self.sources.update(sources)

    def _take(self, event: AnswerEvent) -> None:
        match event:
            case SearchResult():
                self.told(hit.chunk.document_id for hit in event.hits)
            case Delta():
                if event.text:
                    self._add(event.text)
            case Citation():
                self.told((event.document_id,))
                self._add(event)
            case Answer():
                self.told(hit.chunk.document_id for hit in event.hits)
                self._answer = event

    def _add(self, piece: str | Citation) -> None:
        self._pieces.append(piece)
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def follow(self, after: int) -> AsyncGenerator[Piece | End, None]:
        """What it tells after the number `after`, as it comes. Raises `Unavailable` where its end
        could not be kept."""
        place = max(after + 1 - FIRST_PIECE, 0)
        while True:
            while place < len(self._pieces):
                yield Piece(FIRST_PIECE + place, self._pieces[place])
                place += 1
            if self._ended is not None:
                yield End(max(FIRST_PIECE + len(self._pieces), after + 1), self._ended)
                return
            if self._lost:
                raise Unavailable("The turn could not be kept.", "Ask again.")
            await self._moved.wait()

    @property
    def waited_for(self) -> float:
        """Seconds that somebody elsewhere will wait for it, as far as is known."""
        return max(self.watched_until - time.time(), 0.0)

    def stop(self, state: TurnState) -> None:
        """Let it end with what there is."""
        if self.work is not None and not self.work.done():
            self._stopped = state
            self.work.cancel()

    def end(self, kept: Turn | None) -> None:
        """Let the readers know how it is kept."""
        self._ended, self._lost = kept, kept is None
        self._wake()

    def outcome(self) -> Outcome:
        """What became of it, once its work is done."""
        assert self.work is not None
        pieces, citations = stored(self._pieces)
        text = "".join(piece for piece in self._pieces if isinstance(piece, str)).strip()
        sources = sorted(self.sources)
        if self.work.cancelled():
            return Outcome(self._stopped, text, pieces, citations, sources)
        failure = self.work.exception()
        if failure is not None or self._answer is None:
            error = _described(failure or RuntimeError("the events ended without an answer"))
            return Outcome(TurnState.FAILED, text, pieces, citations, sources, error=error)
        answer = self._answer
        return Outcome(
            TurnState.FINISHED,
            answer.text,
            pieces,
            citations,
            sources,
            details=_details(answer),
            prompt_version=None if answer.prompt is None else answer.prompt.version,
        )


def _details(answer: Answer) -> dict[str, object]:
    return {
        "found": answer.found,
        "mode": answer.mode,
        "finish_reason": answer.finish_reason,
        "cached": answer.cached,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "supported_share": answer.supported_share,
        "skipped": dict(answer.skipped),
        "warnings": [{"code": note.code, "message": note.message} for note in answer.warnings],
    }


def _described(failure: BaseException) -> dict[str, str]:
    """What we did not foresee stays in the log."""
    if isinstance(failure, SmartyPantsError):
        return {"code": failure.code, "detail": failure.message, "hint": failure.hint}
    log.error("unexpected error", exc_info=failure)
    code = SmartyPantsError.code
    return {"code": code, "detail": "Something went wrong on our side.", "hint": "Ask again."}
