"""What a module of bombs offers: a function from a scale to named makers of bytes."""

from __future__ import annotations

from collections.abc import Callable

Count = Callable[[int], int]
"""Scales a count."""

Bombs = dict[str, Callable[[], bytes]]
"""Makers by file name."""
