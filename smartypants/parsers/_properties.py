"""Who wrote an Office document and when, as its core properties say (ECMA-376, part 2, 11)."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

from smartypants.attributes import instant
from smartypants.media_types import DAMAGED
from smartypants.parsers._archive import read_xml

_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_DATES = {
    "created": "{http://purl.org/dc/terms/}created",
    "modified": "{http://purl.org/dc/terms/}modified",
}
_PROGRAMS = frozenset({"openpyxl", "python-docx", "microsoft office user", "unknown"})
"""What programs write where nobody gave a name."""


def properties(archive: zipfile.ZipFile) -> dict[str, str]:
    """`author`, `created` and `modified` (ISO 8601), where they are there."""
    try:
        root = read_xml(archive, "docProps/core.xml")
    except (KeyError, ElementTree.ParseError, *DAMAGED):
        return {}
    dates = {key: iso(root.findtext(tag) or "") for key, tag in _DATES.items()}
    found = {"author": author(root.findtext(_CREATOR) or "")} | dates
    return {key: value for key, value in found.items() if value}


def author(name: str) -> str:
    """The name, or "" for one that stands for nobody."""
    plain = " ".join(name.split())
    return "" if plain.lower() in _PROGRAMS else plain


def iso(text: str) -> str:
    """A date of any form that is known, in UTC to the second; "" for others."""
    moment = instant(text)
    if moment is None:
        return ""
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
