"""Searches of the vector store that are made together: those that look among the same chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smartypants.errors import SmartyPantsError
from smartypants.types import Candidate, Filters, SearchPlan


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search looks through, for whom, and how many it wants."""

    physical: str
    limit: int
    acl_ids: tuple[int, ...]
    filters: Filters

    @classmethod
    def of(cls, plan: SearchPlan) -> Scope:
        return cls(plan.physical_collection, plan.candidates, plan.acl_ids, plan.filters)


Search = Callable[..., list[list[Candidate]]]
"""`VectorStore.dense` or `VectorStore.lexical`."""


def search(method: Search, scope: Scope, whats: Any) -> list[list[Candidate]]:
    """One call of the store for several vectors or texts."""
    return method(
        scope.physical, whats, limit=scope.limit, acl_ids=scope.acl_ids, filters=scope.filters
    )


def together(
    method: Search, asked: Sequence[tuple[Scope, Any]], join: Callable[[list[Any]], Any]
) -> list[list[Candidate] | SmartyPantsError]:
    """What each of several searches finds, by one call for each scope; `join` makes what the
    store takes of several vectors or texts. A scope that fails fails its own searches alone."""
    places: dict[Scope, list[int]] = {}
    for place, (scope, _) in enumerate(asked):
        places.setdefault(scope, []).append(place)
    found: Mapping[int, list[Candidate] | SmartyPantsError] = {
        place: ranked
        for scope, mine in places.items()
        for place, ranked in zip(
            mine,
            _search(method, scope, join([asked[place][1] for place in mine]), len(mine)),
            strict=True,
        )
    }
    return [found[place] for place in range(len(asked))]


def _search(
    method: Search, scope: Scope, whats: Any, count: int
) -> Sequence[list[Candidate] | SmartyPantsError]:
    try:
        return search(method, scope, whats)
    except SmartyPantsError as exc:
        return [exc] * count
