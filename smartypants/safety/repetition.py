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
    """Passes words on until the same run of them has come `repeats` times in a row.

    Nothing waits here: the word that completes a loop still belongs to the text, so a word is
    passed on while it grows, and counted when it has ended.
    """

    def __init__(self, repeats: int) -> None:
        self.cut = False
        self._repeats = repeats
        self._word = ""  # the last one, which may go on; it is out already
        self._words: list[str] = []
        self._same = [0] * (LONGEST + 1)

    def feed(self, piece: str) -> str:
        if self.cut:
            return ""
        out, text = len(self._word), self._word + piece
        for found in _WORD.finditer(text):
            self._word = found[0]
            if found.end() == len(text):
                break
            self._note(found[0])
            if self.cut:
                return text[out : found.end()]
        return text[out:]

    def finish(self) -> str:
        if self._word and not self.cut:
            self._note(self._word)
        return ""

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
