"""A caller's reach as a condition of queries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, true

from smartypants.auth.reach import Reach


def within(column: ColumnElement[Any], reach: Reach) -> ColumnElement[bool]:
    """Rows whose `column` names a collection in reach."""
    if reach.only is not None:
        return column.in_(sorted(reach.only))
    return column.not_in(sorted(reach.but)) if reach.but else true()
