"""Filters put in plain English: `PDFs by Jane Doe from 2023`, `spreadsheets since March 2024`.

Deliberately narrow: the whole query has to be a request for documents, which names their kind
first, then what restricts them and what they are about. Anything else is left as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smartypants.attributes import period
from smartypants.querying.kinds import media_types
from smartypants.querying.narrowing import narrowed
from smartypants.types import Filters

_MONTHS = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_LEAD = re.compile(
    r"(?:please )?(?:(?:find|show|list|get|give|search)(?: me| us)?(?: for)? )?"
    r"(?:(?:all|any|every|the|my|our) )*(?:of (?:the|my|our) )?",
    re.I,
)
_KIND = re.compile(
    r"(?P<general>documents|files|docs)\b|(?P<kind>pdfs|pdf (?:documents|files)|"
    r"word (?:documents|files)|powerpoints|powerpoint (?:files|presentations)|slide decks|slides|"
    r"presentations|excel (?:files|sheets)|spreadsheets|csv files|csvs|web ?pages|"
    r"markdown files|text files|json files|e-?mails|e-?books|epubs)\b",
    re.I,
)
_DATE = (
    r"(?:\d{4}-\d{2}(?:-\d{2})?|(?:(?:%s) )?(?:19|20)\d{2})" % "|".join(_MONTHS)  # noqa: UP031
)
_NAME = r"[^\W\d_a-z][\w.'’-]*(?: (?:(?:van|von|de|der|da|di|bin|al) )?[^\W\d_a-z][\w.'’-]*){0,3}"
_MODIFIER = (
    rf"(?:(?i:(?P<rel>from|in|of|dated|since|after|before|until)) (?P<date>(?i:{_DATE}))"
    rf"|(?i:between) (?P<first>(?i:{_DATE})) (?i:and) (?P<last>(?i:{_DATE}))"
    rf"|(?i:(?P<by>(?:written |sent |authored |made )?by|from)) (?P<author>{_NAME}))"
)
_FIRST = re.compile(rf" {_MODIFIER}(?= |$)")
_LAST = re.compile(rf"^(?P<topic>.+?) {_MODIFIER}$")
_TOPIC = re.compile(r" (?:about|on|regarding|concerning|mentioning) (?P<topic>\S.*)$", re.I)


@dataclass(frozen=True, slots=True)
class Understood:
    """What a query asks for; `text` is what it is about, or the query where it says nothing."""

    text: str
    filters: Filters


def interpret(text: str) -> Understood | None:
    """The filters in a query of plain words; None where it is no request for documents."""
    plain = text.rstrip(" ?.!")
    lead = _LEAD.match(plain)
    kind = _KIND.match(plain, lead.end() if lead else 0)
    if kind is None:
        return None
    mail = (kind["kind"] or "").lower().replace("-", "") == "emails"
    filters = Filters(media_types=_types(kind["kind"])) if kind["kind"] else Filters()
    rest, modified = plain[kind.end() :], False
    while (match := _FIRST.match(rest)) and (found := _filters(match, mail=mail)):
        filters, rest, modified = narrowed(filters, found), rest[match.end() :], True
    topic = ""
    if rest:
        about = _TOPIC.match(rest)
        if about is None:
            return None
        topic = about["topic"]
        while (match := _LAST.match(topic)) and (found := _filters(match, mail=mail)):
            filters, topic, modified = narrowed(filters, found), match["topic"], True
    if not modified and not (topic and kind["kind"]):
        return None
    return Understood(topic or text, filters)


def _types(kind: str) -> tuple[str, ...]:
    first = kind.lower().replace("webpage", "web page")
    for word in (first, first.split(" ", maxsplit=1)[0]):
        if types := media_types(word):
            return types
    return ()


def _filters(match: re.Match[str], *, mail: bool) -> Filters | None:
    if match["author"]:
        # What documents are from is a place as often as a person; a message has a sender.
        return (
            None
            if match["by"].lower() == "from" and not mail
            else Filters(authors=(match["author"],))
        )
    if match["first"]:
        begin, end = _period(match["first"]), _period(match["last"])
        return Filters(after=begin[0], before=end[1]) if begin and end else None
    span = _period(match["date"])
    if span is None:
        return None
    match match["rel"].lower():
        case "since":
            return Filters(after=span[0])
        case "after":
            return Filters(after=span[1])
        case "before":
            return Filters(before=span[0])
        case "until":
            return Filters(before=span[1])
    return Filters(after=span[0], before=span[1])


def _period(date: str) -> tuple[float, float] | None:
    month, _, year = date.rpartition(" ")
    return period(f"{year}-{_MONTHS.index(month.lower()) + 1:02}" if month else date)
