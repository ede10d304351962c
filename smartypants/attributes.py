"""What filters ask of a document: its media type, its author and its date.

The vector store holds them with every chunk, made from what the ledger knows of the document;
a hit is compared with the ledger once more before it shows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from smartypants.media_types import by_name
from smartypants.types import Filters

MAX_AUTHOR_CHARS = 1_000
AUTHOR_KEYS = ("author", "authors", "creator", "from")
DATE_KEYS = ("date", "modified", "created")

_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})([T ].*)?)?)?")


@dataclass(frozen=True, slots=True)
class Attributes:
    """`author` holds folded words between single spaces, `dated_at` Unix seconds (UTC)."""

    media_type: str = ""
    author: str = ""
    dated_at: int | None = None

    def match(self, filters: Filters) -> bool:
        """Whether a document with these attributes is one that the filters ask for."""
        if filters.media_types and self.media_type not in filters.media_types:
            return False
        if filters.authors:
            wanted = [folded_author(author) for author in filters.authors]
            if not any(author and author in self.author for author in wanted):
                return False
        if filters.after is None and filters.before is None:
            return True
        if self.dated_at is None:
            return False
        late_enough = filters.after is None or self.dated_at >= filters.after
        return late_enough and (filters.before is None or self.dated_at < filters.before)


UNKNOWN = Attributes()


def attributes(
    *, media_type: str | None, name: str, metadata: Mapping[str, str], parsed: Mapping[str, str]
) -> Attributes:
    """What is known of a document. `metadata`, from its source, beats `parsed`, from itself."""
    known = {key.lower(): value for found in (parsed, metadata) for key, value in found.items()}
    # An e-mail's date and sender are found under its own names; other keys come first.
    author = first(known, AUTHOR_KEYS)
    dates = (instant(known[key]) for key in DATE_KEYS if known.get(key))
    return Attributes(
        media_type=(media_type or by_name(name) or "").lower(),
        author=folded_author(author[:MAX_AUTHOR_CHARS]),
        dated_at=next((int(date) for date in dates if date is not None), None),
    )


def first(known: Mapping[str, str], keys: Sequence[str]) -> str:
    """The value of the first of the keys that has one; "" for none."""
    return next((known[key] for key in keys if known.get(key)), "")


def folded_author(name: str) -> str:
    """The name's words in lower case without accents, each between spaces; "" for none.

    A filter fits a run of whole words: `doe` and `jane doe` both fit ` jane doe x org `. Only
    letters, digits and spaces are left, which no query language takes for anything else.
    """
    plain = unicodedata.normalize("NFKD", name).lower()
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    words = " ".join(_WORD.findall(letters))[: MAX_AUTHOR_CHARS - 2]
    return f" {words} " if words else ""


def instant(text: str) -> float | None:
    """Unix seconds of an ISO 8601 date or time, an e-mail's `Date` or a PDF's; None for others.

    Without a time zone UTC is meant; of a day, month or year its beginning.
    """
    text = text.strip()
    if text.startswith("D:") and text[2:].strip():
        return _pdf_instant(text[2:])
    span = period(text)
    if span is not None:
        return span[0]
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def period(text: str) -> tuple[float, float] | None:
    """Beginning and end (Unix seconds, UTC) of `2023`, `2023-05` or `2023-05-17`; else None."""
    found = _DATE.fullmatch(text.strip())
    if found is None or found[4]:
        return None
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    try:
        begin = datetime(year, month, day, tzinfo=UTC)
        if found[3]:
            end = begin.timestamp() + 86_400
        elif found[2]:
            end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()
        else:
            end = datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()
        return begin.timestamp(), end
    except ValueError:
        return None


def _pdf_instant(text: str) -> float | None:
    """`YYYYMMDDHHmmSSOHH'mm'`, all after the year optional (ISO 32000-1, 7.9.4)."""
    zone = re.search(r"[+\-Z].*$", text)
    digits = (text[: zone.start()] if zone else text).strip()
    if not re.fullmatch(r"\d{4}(?:\d\d){0,5}", digits):
        return None
    whole = digits + "00000101000000"[len(digits) :]
    offset = re.fullmatch(r"([+-])(\d\d)'?(\d\d)?'?", zone[0]) if zone else None
    suffix = f"{offset[1]}{offset[2]}{offset[3] or '00'}" if offset else "+0000"
    try:
        return datetime.strptime(whole + suffix, "%Y%m%d%H%M%S%z").timestamp()
    except (ValueError, OverflowError):
        return None
