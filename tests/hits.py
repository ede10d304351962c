"""Search hits for tests of what comes after retrieval."""

from __future__ import annotations

from smartypants.types import Chunk, SearchHit


def hit(text: str, name: str = "a", *, similarity: float = 0.6, start: int = 0) -> SearchHit:
    chunk = Chunk(name, "v1", 0, text, start, start + len(text), context=f"Title of {name}")
    return SearchHit(chunk, 1.0, {"dense": similarity}, f"Title of {name}", f"file:///{name}", "s")
