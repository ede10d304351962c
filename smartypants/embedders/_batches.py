"""Token ids packed into padded batches of even size, longest texts first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from smartypants.protocols import TokenIds

Padded = NDArray[np.int64]
"""Shape (texts, longest text); the dtype that models take."""


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Rows whose padded size is within the budget; a row above it goes alone."""
    batch: list[int] = []
    longest = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batch and longest * (len(batch) + 1) > budget:
            yield batch
            batch = []
        if not batch:
            longest = lengths[row]
        batch.append(row)
    if batch:
        yield batch


def padded(tokens: Sequence[TokenIds], pad_id: int) -> tuple[Padded, Padded]:
    """Ids padded on the right, and the mask that is 1 where there is a token."""
    longest = max(len(ids) for ids in tokens)
    ids = np.full((len(tokens), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, own in enumerate(tokens):
        ids[row, : len(own)] = own
        mask[row, : len(own)] = 1
    return ids, mask
