"""Ends a text that has begun to say the same again and again."""

from __future__ import annotations

import regex

LONGEST = 60
"""Words of what is repeated, at most."""
SHORTEST_RUN = 60
"""Characters that the repetitions must have together: "ha ha ha" is no loop."""

# Words, single characters of scripts without spaces, white space, anything else.
_WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[^\W\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]{1,64}"
    r"|\s|[^\w\s]"
)


class RepetitionStream:
    """Passes words on until the same run of them has come `repeats` times in a row."""

    def __init__(self, repeats: int) -> None:
        self.cut = False
        self._repeats = repeats
        self._held = ""
        self._words: list[str] = []
        self._same = [0] * (LONGEST + 1)

    def feed(self, piece: str) -> str:
        self._held += piece
        return self._pass(final=False)

    def finish(self) -> str:
        return self._pass(final=True)

    def _pass(self, *, final: bool) -> str:
        given, place = [], 0
        for found in _WORD.finditer(self._held):
            if not final and found.end() == len(self._held):
                break  # it may go on
            if self.cut:
                break
            given.append(found[0])
            place = found.end()
            self._note(found[0])
        self._held = "" if self.cut else self._held[place:]
        return "".join(given)

    def _note(self, word: str) -> None:
        if word.isspace():
            return
        self._words.append(word)
        last = len(self._words) - 1
        for period in range(1, min(LONGEST, last) + 1):
            if self._words[last - period] != word:
                self._same[period] = 0
                continue
            self._same[period] += 1
            if self._same[period] >= period * (self._repeats - 1) and self._is_loop(period):
                self.cut = True
                return

    def _is_loop(self, period: int) -> bool:
        run = self._words[-period * self._repeats :]
        # Rules and rows of tables repeat without a letter.
        return sum(map(len, run)) >= SHORTEST_RUN and any(w.isalnum() for w in run[:period])
