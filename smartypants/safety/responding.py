"""What comes from the language model, made fit to be read: a chain of streams and its findings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from smartypants.safety.repetition import RepetitionStream
from smartypants.safety.secrets import SECRETS
from smartypants.safety.streams import Chain, Findings
from smartypants.types import Delta, Notice

REFUSED = "This answer was withheld by the content policy."

_SECRET_RULES = frozenset(rule.name for rule in SECRETS.rules)


class ResponseProcessor:
    """One answer's way through the chain; made by `Safety.response`.

    With `withhold` nothing is given out before the end, so that all of it can be refused.
    With `threaded` the work leaves the event loop: a model takes part in it.
    """

    def __init__(
        self,
        chain: Chain,
        findings: Findings,
        repetition: RepetitionStream | None,
        *,
        withhold: bool,
        threaded: bool,
    ) -> None:
        self._chain = chain
        self._findings = findings
        self._repetition = repetition
        self._withhold = withhold
        self._threaded = threaded
        self._withheld: list[str] = []
        self._timed_out = False

    @property
    def refused(self) -> bool:
        return self._timed_out or (self._withhold and self._findings["blocked_content"] > 0)

    @property
    def ended(self) -> bool:
        """Whether nothing that may follow would be given out."""
        return self.refused or (self._repetition is not None and self._repetition.cut)

    async def feed(self, piece: str) -> str:
        return await self._run(piece, final=False)

    async def finish(self) -> str:
        """The rest; once it is refused, what is said instead."""
        rest = "" if self.refused else await self._run("", final=True)
        return REFUSED if self.refused else rest

    async def whole(self, text: str) -> str:
        return await self.feed(text) + await self.finish()

    async def process(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """The same deltas with their text as it may be read; closed early where that ends."""
        last = Delta("")
        count = 0
        async with aclosing(deltas):
            async for last in deltas:
                count += 1
                text = await self.feed(last.text)
                if last.finish_reason is not None or self.ended:
                    break
                if text or not last.text:
                    yield replace(last, text=text)
                text = ""
            else:
                text = ""
        text += await self.finish()
        reason = "content_filter" if self.refused else last.finish_reason or "stop"
        tokens = last.completion_tokens or count
        yield replace(last, text=text, finish_reason=reason, completion_tokens=tokens)

    def notices(self) -> tuple[Notice, ...]:
        """What the reader should know."""
        secrets = sum(count for name, count in self._findings.items() if name in _SECRET_RULES)
        personal, blocked = self._findings["personal_data"], self._findings["blocked_content"]
        told = []
        if self._timed_out:
            told.append(
                Notice("blocked_content", "A blocked pattern could not be checked in time.")
            )
        elif self.refused:
            told.append(Notice("blocked_content", "The content policy blocks what it would say."))
        elif blocked:
            told.append(
                Notice("content_removed", f"The content policy removed {blocked} passages.")
            )
        if secrets and not self.refused:
            told.append(Notice("secret_removed", f"Secrets were removed: {secrets}."))
        if personal and not self.refused:
            told.append(Notice("personal_data_removed", f"Personal data was removed: {personal}."))
        if self._repetition is not None and self._repetition.cut:
            told.append(Notice("repetition_cut", "The answer repeated itself and was cut."))
        return tuple(told)

    async def _run(self, piece: str, *, final: bool) -> str:
        if self._threaded:
            return await asyncio.to_thread(self._advance, piece, final=final)
        return self._advance(piece, final=final)

    def _advance(self, piece: str, *, final: bool) -> str:
        if self.refused:
            return ""
        try:
            text = self._chain.finish() if final else self._chain.feed(piece)
        except TimeoutError:  # of a pattern: nothing that was not checked is given out
            self._timed_out = True
            return ""
        if not self._withhold:
            return text
        self._withheld.append(text)
        return "".join(self._withheld) if final and not self.refused else ""
