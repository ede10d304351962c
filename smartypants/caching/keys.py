"""What a cached result depends on, as one key: nothing else may change what a search shows.

A key names the whole plan (the normalised text and what was made of it, filters, options, the
collection's standing, the ACL ids that the caller may read, the recipe) and the models. Fields
are left out by name, so one that is added to a plan counts by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from pydantic import BaseModel

from smartypants.recipes import Recipe
from smartypants.types import AnswerMode, SamplingParams, SearchPlan

FORMAT: Final = "1"
"""Changes with the form of what is kept, so that an upgrade finds nothing of before."""

# What a result says about its own making, and what `acl_ids` stand for.
_PLAN_ASIDE: Final = frozenset({"skipped", "trace", "query"})
# The question in whatever form: another question has another key in the same scope.
_WORDS: Final = frozenset({"text", "variants", "phrases", "question", "language"})
_QUERY_ASIDE: Final = frozenset(
    {
        "text",
        "history",
        "principals",
        "reach",
        "request_id",
        "deadline",
        "cache",
        "collection",
        "shed",
    }
)


@dataclass(frozen=True, slots=True)
class Models:
    """Whose vectors, scores and words a result is made of."""

    embedder: str
    reranker: str | None
    llm: str


@dataclass(frozen=True, slots=True)
class Key:
    """`scope` is all that the key depends on but the question's words."""

    key: str
    scope: str


def search_key(plan: SearchPlan, models: Models) -> Key:
    """Of a search result."""
    return _key("search", _search_scope(plan, models), plan, ())


def answer_key(
    plan: SearchPlan,
    sampling: SamplingParams,
    models: Models,
    *,
    mode: AnswerMode,
    prompt: str,
    settings: BaseModel,
) -> Key:
    """Of an answer: besides the search, all that the language model is given and told."""
    scope = {
        "search": _search_scope(plan, models),
        "llm": models.llm,
        "sampling": _plain(sampling),
        "mode": mode,
        "prompt": prompt,
        "settings": settings.model_dump(mode="json"),
    }
    return _key("answer", scope, plan, plan.query.history)


def _search_scope(plan: SearchPlan, models: Models) -> dict[str, Any]:
    return {
        "plan": _plain(plan, _PLAN_ASIDE | _WORDS),
        "query": _plain(plan.query, _QUERY_ASIDE),
        "embedder": models.embedder,
        "reranker": models.reranker if plan.rerank else None,
    }


def _key(kind: str, scope: Mapping[str, Any], plan: SearchPlan, history: object) -> Key:
    words = [plan.text, plan.variants, plan.phrases, history]
    if kind == "answer":
        words += [plan.query.text, plan.question]
    hashed = _hash(scope)
    return Key(f"smartypants:{FORMAT}:{kind}:{_hash([hashed, _plain(words)])}", f"{kind}:{hashed}")


def _hash(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=32).hexdigest()


def _plain(value: object, aside: Set[str] = frozenset()) -> Any:
    """The value as JSON has it. Raises `TypeError` for one that has no such form."""
    if isinstance(value, Recipe):
        return value.version
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value) if field.name not in aside)
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a cache key")
