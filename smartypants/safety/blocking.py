"""A list of words and patterns that no answer may hold."""

from __future__ import annotations

import re

import regex

from smartypants.safety.rules import Rule, RuleSet

# What would make a match unbounded, or depend on more than the text that it covers.
_TROUBLE = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\]      # escapes and classes: looked at below, or harmless
    | (?P<unbounded> [*+] | \{\d*,\} )
    | (?P<around> \(\?(?!:|i:|i\)) | [\^$] )""",
    re.VERBOSE,
)
_ESCAPES = re.compile(r"\\[1-9gkGKAZzBbX]")
_GAP = r"\s{1,3}"
REMOVED = "[removed]"


def problem_of(pattern: str) -> str | None:
    """Why a pattern can't be used on a stream; None if it can."""
    try:
        compiled = regex.compile(pattern)
    except regex.error as exc:
        return f"is no regular expression: {exc}"
    if compiled.groups:
        return "has a group that captures: write (?:…)"
    if compiled.search("") is not None:
        return "matches an empty text"
    for found in _TROUBLE.finditer(pattern):
        if found["unbounded"]:
            return f"has {found[0]!r}: write a bound, as in {{0,40}}"
        if found["around"] or _ESCAPES.fullmatch(found[0]):
            return f"has {found[0]!r}: anchors, references and look-around are not supported"
    return None


def rules(terms: tuple[str, ...], patterns: tuple[str, ...]) -> RuleSet:
    """Terms match whole words, whatever their case."""
    words = [_GAP.join(regex.escape(word) for word in term.split()) for term in terms]
    forms = [*(rf"(?<!\w)(?i:{word})(?!\w)" for word in words), *patterns]
    return RuleSet([Rule("blocked_content", form, REMOVED) for form in forms])
