"""Which of several versions a caller gets: always the same one, by a hash, in given shares."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from smartypants.errors import ValidationFailed
from smartypants.types import Query

MAX_VERSIONS = 10
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Share:
    """A version, and the part of all callers that get it."""

    version: str
    share: float


def check(shares: Sequence[Share]) -> None:
    """Raises `ValidationFailed` unless each is above 0 and they sum to 1, no version twice."""
    if not 1 <= len(shares) <= MAX_VERSIONS:
        raise ValidationFailed(
            f"{len(shares)} versions can't be active.", f"Name 1 to {MAX_VERSIONS}."
        )
    if len({item.version for item in shares}) < len(shares):
        raise ValidationFailed("A version is named twice.", "Name each once, with its whole share.")
    for item in shares:
        if not 0 < item.share <= 1:
            raise ValidationFailed(
                f"The share of {item.version} is {item.share:g}.", "It must be above 0, 1 at most."
            )
    total = math.fsum(item.share for item in shares)
    if abs(total - 1) > _TOLERANCE:
        raise ValidationFailed(f"The shares sum to {total:g}.", "They must sum to 1.")


def assigned(shares: Sequence[Share], *, experiment: str, unit: str) -> str:
    """The version that a unit gets; in another experiment it may be in another part."""
    digest = hashlib.blake2b(f"{experiment}\n{unit}".encode("utf-8", "surrogatepass")).digest()
    point = int.from_bytes(digest[:8]) / 2**64
    for item in shares:
        point -= item.share
        if point < 0:
            return item.version
    return shares[-1].version


def unit(query: Query) -> str:
    """What stays with its version: the caller; of callers without a name, the conversation,
    which its first question stands for."""
    named = sorted(name for name in query.principals if name.startswith("user:"))
    if named:
        return named[0]
    first = next((turn.content for turn in query.history if turn.role == "user"), query.text)
    return " ".join(first.split())
