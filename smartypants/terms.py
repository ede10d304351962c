"""Words as BM25 compares them: folded, stemmed, without the commonest.

Milvus Lite has no stemming analyzer, so both sides of a match are prepared here and the
analyzer only splits at spaces. A Milvus server then finds the same as the embedded one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import Stemmer

_WORD = re.compile(r"\w+")

STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then "  # noqa: SIM905
    "there these they this to was will with".split()
)
"""Lucene's English set."""


def terms(text: str) -> str:
    """The text's terms, parted by spaces: lower case, no accents, Snowball English stems."""
    folded = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    words = [word for word in _WORD.findall(plain) if word not in STOP_WORDS]
    return " ".join(_stemmer().stemWords(words))


@cache
def _stemmer() -> Stemmer.Stemmer:
    import Stemmer

    return Stemmer.Stemmer("english")
