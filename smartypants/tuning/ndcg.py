"""How good a ranking is, by what was judged relevant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], judged: Mapping[str, int], *, cutoff: int = 10) -> float:
    """nDCG at a cutoff, 0 to 1: Σ gain / log2(rank + 1), over that of the best possible ranking.

    The gain is the grade itself (trec_eval's; Järvelin & Kekäläinen, TOIS 2002); what nobody
    judged, and grades below 0, gain nothing. 0 where nothing is relevant. A name that comes
    twice counts once.
    """
    gains = [max(judged.get(name, 0), 0) for name in dict.fromkeys(ranked)]
    best = sorted((max(grade, 0) for grade in judged.values()), reverse=True)
    ideal = _dcg(best[:cutoff])
    return _dcg(gains[:cutoff]) / ideal if ideal else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
