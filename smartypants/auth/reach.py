"""Which collections somebody knows of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reach:
    """The collections of `only`; without it all but those of `but`."""

    only: frozenset[str] | None = None
    but: frozenset[str] = frozenset()

    def has(self, collection: str) -> bool:
        if self.only is not None:
            return collection in self.only
        return collection not in self.but


EVERYWHERE: Final = Reach()
