"""The small syntax of a query: `type:pdf author:"Jane Doe" after:2023 "exact phrase" words`.

    query  = { filter | phrase | word }
    filter = key ":" value                  with a space, or nothing, before and after it
    key    = type | author | source | date | after | since | before | in | collection
    value  = quoted | characters without a space
    phrase = '"' text '"'

Every text is a query. A key that is none of these, or whose value can't be understood, is text
like any other, so `blood type:O` and `foo:bar` are searched for as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from smartypants.attributes import folded_author, instant, period
from smartypants.querying.kinds import media_types
from smartypants.querying.narrowing import narrowed
from smartypants.types import Filters

MAX_FILTERS = 20
MAX_PHRASES = 5

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_TOKEN = re.compile(
    r"""(?<!\S)(?P<key>[A-Za-z]+):(?P<value>"[^"]+"|[^\s"]+)(?!\S)"""
    r"""|(?<![^\s(\[])"(?P<phrase>[^"]+)"(?![\w"])"""
)
_WORDS = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Names:
    """How names in a query are looked up: ids of sources, and whether a collection exists."""

    sources: Callable[[str], tuple[str, ...]]
    collection: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A query taken apart; `text` is what is left to search for, `read` what was understood."""

    text: str
    filters: Filters = field(default_factory=Filters)
    phrases: tuple[str, ...] = ()
    collection: str | None = None
    read: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    types: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    spans: Filters = field(default_factory=Filters)
    collection: str | None = None


def parse(text: str, names: Names) -> Parsed:
    """Take a query apart. Raises nothing but what `names` raises.

    Values of the same key are alternatives; different keys, and dates, must all fit.
    """
    found = _Found()
    phrases: list[str] = []
    read: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        phrase = match["phrase"]
        if phrase is not None:
            # Whoever quotes a whole question hardly expects it word for word in a document.
            if len(phrases) < MAX_PHRASES and _WORDS.search(phrase) and phrase[-1:] != "?":
                phrases.append(phrase.strip())
                read.append(match[0])
            return f" {phrase} "
        key, value = match["key"].lower(), match["value"].strip('"').strip()
        if len(read) < MAX_FILTERS and _understood(key, value, found, names):
            read.append(match[0])
            return " "
        return match[0]

    rest = " ".join(_TOKEN.sub(replaced, text.translate(_QUOTES)).split())
    if not read:
        return Parsed(text)
    filters = narrowed(
        Filters(source_ids=found.sources, media_types=found.types, authors=found.authors),
        found.spans,
    )
    return Parsed(rest, filters, tuple(phrases), found.collection, tuple(read))


def _understood(key: str, value: str, found: _Found, names: Names) -> bool:
    match key:
        case "type":
            types = media_types(value)
            found.types += types
            return bool(types)
        case "author":
            if folded_author(value):
                found.authors += (value,)
            return bool(folded_author(value))
        case "source":
            sources = names.sources(value)
            found.sources += sources
            return bool(sources)
        case "in" | "collection":
            if found.collection is not None or not names.collection(value):
                return False
            found.collection = value
            return True
        case "date" | "after" | "since" | "before":
            span = _span(key, value)
            if span is None:
                return False
            found.spans = narrowed(found.spans, span)
            return True
    return False


def _span(key: str, value: str) -> Filters | None:
    """`after` begins with the day, month or year that it names; `before` ends where it begins."""
    if key == "date":
        first, _, last = value.partition("..")
        begin, end = period(first), period(last or first)
        return None if begin is None or end is None else Filters(after=begin[0], before=end[1])
    moment = instant(value) if value[:1].isdigit() else None
    if moment is None:
        return None
    return Filters(before=moment) if key == "before" else Filters(after=moment)
