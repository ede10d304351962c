"""Which files of a listing are documents, as far as their names tell."""

from __future__ import annotations

from smartypants.media_types import by_name


def hidden(name: str) -> bool:
    return name.startswith(".")


def indexable(path: str) -> bool:
    """Whether no part of a relative path is hidden, and the extension is of a known format."""
    return not any(hidden(part) for part in path.split("/")) and by_name(path) is not None
