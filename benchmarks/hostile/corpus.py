"""Documents that mean harm: every bomb of ours, and real files that were cut and altered.

Everything follows from a seed and from `scale`: 1 is what a bomb needs to hurt a naive reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.hostile import (
    altered,
    archives,
    images,
    messages,
    office,
    pages,
    pdfs,
    tables,
    texts,
    xml,
)
from benchmarks.hostile.bombs import Bombs, Count

KINDS: dict[str, Callable[[Count], Bombs]] = {
    "text": texts.bombs,
    "html": pages.bombs,
    "data": tables.bombs,
    "email": messages.bombs,
    "archive": archives.bombs,
    "xml": xml.bombs,
    "office": office.bombs,
    "pdf": pdfs.bombs,
    "image": images.bombs,
}


@dataclass(frozen=True, slots=True)
class Hostile:
    """One input: its kind, a file name, and how to make its bytes."""

    kind: str
    name: str
    make: Callable[[], bytes]


def crafted(scale: float = 1.0) -> Iterator[Hostile]:
    """Every bomb of ours once; `scale` multiplies their sizes."""

    def size(count: int) -> int:
        return max(int(count * scale), 2)

    for kind, bombs in KINDS.items():
        for name, make in bombs(size).items():
            yield Hostile(kind, name, make)


def spoiled(*, seed: int, count: int) -> Iterator[Hostile]:
    """`count` alterations of real files, spread evenly over files and ways."""
    for number, change in enumerate(altered.changes(seed=seed, count=count)):
        yield Hostile(change.way, f"{number}-{change.name}", partial(altered.apply, change))
