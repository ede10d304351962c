"""Finds and replaces by patterns in a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from smartypants.safety.streams import Findings

TIMEOUT_S = 0.25
"""For one search. The patterns are linear; one of the user's may not be."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What to look for, as a pattern of bounded length, and what to put in its place."""

    name: str
    pattern: str
    replacement: str


class RuleSet:
    """Rules as one pattern, of which the leftmost match counts. Shared by streams."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        joined = "|".join(f"(?P<r{n}>{rule.pattern})" for n, rule in enumerate(rules)) or r"(?!)"
        self.whole = regex.compile(joined)
        # Whatever follows is impossible, so only what reaches the text's end is left: a match
        # that more text might complete or lengthen.
        self.open = regex.compile(rf"(?:{joined})(?![\s\S])[\s\S]")

    def replaced(self, text: str) -> str:
        """Of a text that is whole. Raises `TimeoutError` where the search takes too long."""
        return self.whole.sub(
            lambda match: self.rule_of(match).replacement, text, timeout=TIMEOUT_S
        )

    def rule_of(self, match: regex.Match[str]) -> Rule:
        return self.rules[int((match.lastgroup or "r0")[1:])]


class RuleStream:
    """Replaces what the rules match; holds back what may yet become a match.

    Raises `TimeoutError` where a search takes too long.
    """

    def __init__(self, rules: RuleSet, findings: Findings) -> None:
        self._rules = rules
        self._findings = findings
        self._text = ""  # one character that is out already, for look-behind, then what is held
        self._out = 0

    def feed(self, piece: str) -> str:
        self._text += piece
        return self._advance(final=False)

    def finish(self) -> str:
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> str:
        given, place, text = [], self._out, self._text
        end = len(text)
        if not final:
            undecided = self._rules.open.search(text, place, partial=True, timeout=TIMEOUT_S)
            end = undecided.start() if undecided else end
        while match := self._rules.whole.search(text, place, timeout=TIMEOUT_S):
            if match.start() >= end:
                break
            rule = self._rules.rule_of(match)
            self._findings[rule.name] += 1
            given += [text[place : match.start()], rule.replacement]
            place = match.end()
            if not final and place > end:  # it covered where the undecided began
                undecided = self._rules.open.search(text, place, partial=True, timeout=TIMEOUT_S)
                end = undecided.start() if undecided else len(text)
        given.append(text[place:end] if place < end else "")
        place = max(place, end)
        kept = max(place - 1, 0)
        self._text, self._out = text[kept:], place - kept
        return "".join(given)
