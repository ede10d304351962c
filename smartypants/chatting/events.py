"""What a turn tells, in order and numbered, so that it can be told again from any place.

Number 1 is that it was accepted; each piece of the answer has the next, and its end the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from smartypants.ledger.turns import Turn
from smartypants.types import Citation

ACCEPTED = 1
FIRST_PIECE = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, or the passage that supports what came before."""

    seq: int
    body: str | Citation


@dataclass(frozen=True, slots=True)
class End:
    """The turn as it is kept. Nothing comes after it."""

    seq: int
    turn: Turn


def replayed(turn: Turn, after: int) -> Iterator[Piece | End]:
    """What a turn that has ended told after the number `after`."""
    citations = [Citation(**item) for item in turn.citations]
    for place, piece in enumerate(turn.pieces):
        seq = FIRST_PIECE + place
        if seq > after:
            yield Piece(seq, piece if isinstance(piece, str) else citations[piece])
    # One that was interrupted may have told more than was kept.
    yield End(max(FIRST_PIECE + len(turn.pieces), after + 1), turn)


def stored(
    pieces: Sequence[str | Citation],
) -> tuple[list[str | int], list[Mapping[str, Any]]]:
    """Pieces as the ledger keeps them: texts and places of citations, and the citations."""
    citations = [piece for piece in pieces if isinstance(piece, Citation)]
    places = iter(range(len(citations)))
    kept = [piece if isinstance(piece, str) else next(places) for piece in pieces]
    return kept, [asdict(citation) for citation in citations]
