"""Text that is checked while it comes: what is given out is certain, the rest is held back.

A stream's output depends on the text alone, not on the pieces that it came in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import regex

Findings = Counter[str]
"""How often each rule had something to change, by the rule's name."""

_SENTENCE_END = regex.compile(
    # An initial or an abbreviation ends nothing: a name would be cut in two there.
    r"(?<!\b(?:\p{Lu}|Mr|Mrs|Ms|Dr|St|Prof|No|Nr|Tel|Fax|Str|ca|bzw|approx|e\.g|i\.e))"
    r"[.!?]+[\"')\]”’]{0,3}\s|\n|[。！？]"
)
MAX_SENTENCE = 1_000
"""Characters after which a sentence that does not end is cut, at its last white space."""


class TextStream(Protocol):
    """Takes a text in pieces."""

    def feed(self, piece: str) -> str:
        """What is certain now."""
        ...

    def finish(self) -> str:
        """What was still held back."""
        ...


class Chain:
    """Streams one after the other, each over what the one before gives out."""

    def __init__(self, streams: Sequence[TextStream]) -> None:
        self._streams = streams

    def feed(self, piece: str) -> str:
        for stream in self._streams:
            if not piece:
                return ""
            piece = stream.feed(piece)
        return piece

    def finish(self) -> str:
        rest = ""
        for stream in self._streams:
            rest = (stream.feed(rest) if rest else "") + stream.finish()
        return rest


class SentenceStream:
    """Changes a text sentence by sentence; an unfinished one is held back."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change
        self._held = ""

    def feed(self, piece: str) -> str:
        self._held += piece
        done = []
        while cut := _first_cut(self._held):
            done.append(self._change(self._held[:cut]))
            self._held = self._held[cut:]
        return "".join(done)

    def finish(self) -> str:
        held, self._held = self._held, ""
        return self._change(held) if held else ""


def _first_cut(text: str) -> int:
    """Where the first sentence ends; 0 while that is not known."""
    end = _SENTENCE_END.search(text, 0, MAX_SENTENCE)
    if end is not None:
        return int(end.end())
    if len(text) < MAX_SENTENCE:
        return 0
    head = text[:MAX_SENTENCE]
    return len(head.rsplit(None, 1)[0]) or MAX_SENTENCE
