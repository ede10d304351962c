"""Filters of two origins at once: a document has to fit both."""

from __future__ import annotations

from dataclasses import replace

from smartypants.attributes import folded_author
from smartypants.types import Filters

NOTHING = Filters(document_ids=("",))
"""Fits no document: none has an empty id."""


def narrowed(first: Filters, second: Filters) -> Filters:
    """What fits both; never more than fits either of them."""
    parts = (
        _both(first.document_ids, second.document_ids),
        _both(first.source_ids, second.source_ids),
        _both(first.media_types, second.media_types),
        _authors(first.authors, second.authors),
    )
    after = max((end for end in (first.after, second.after) if end is not None), default=None)
    before = min((end for end in (first.before, second.before) if end is not None), default=None)
    if any(part is None for part in parts):
        return replace(NOTHING, after=after, before=before)
    documents, sources, types, authors = (part or () for part in parts)
    return Filters(documents, sources, types, authors, after, before)


def _both(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...] | None:
    if not first or not second:
        return first or second
    return tuple(item for item in first if item in second) or None


def _authors(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...] | None:
    """Of two names that one run of words fits the longer one is left: `doe` of `jane doe`."""
    if not first or not second:
        return first or second
    left = []
    for one in first:
        for other in second:
            short, long = sorted((one, other), key=lambda name: len(folded_author(name)))
            if folded_author(short) in folded_author(long):
                left.append(long)
    return tuple(dict.fromkeys(left)) or None
