"""Pages of lists that are short enough to be read whole, by a cursor as the long ones have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from pydantic import Field, StringConstraints

from smartypants.api.fields import Limit, Params

T = TypeVar("T")

Cursor = Annotated[
    str, StringConstraints(max_length=600), Field(description="`next_cursor` of the page before.")
]


class Paged(Params):
    limit: Limit = 50
    cursor: Cursor | None = None


def page_of(
    rows: Iterable[T], wanted: Paged, key: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """The page, by ascending key from just behind the cursor, and the cursor of the next."""
    left = sorted((row for row in rows if key(row) > (wanted.cursor or "")), key=key)
    page = left[: wanted.limit]
    return page, key(page[-1]) if len(left) > len(page) else None
