"""Results as bytes and back, and which of them may be kept.

The form is JSON that pydantic checks on the way back: whoever can write to the cache's server
can at worst make a miss, or show passages of their own, but run nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from smartypants.choices import chosen
from smartypants.types import Answer, SearchResult

T = TypeVar("T")


class Form(Generic[T]):
    """How values of one type are kept."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter = TypeAdapter(kind)

    def dump(self, value: T) -> bytes | None:
        """None for what JSON can't hold."""
        try:
            return self._adapter.dump_json(value)
        except PydanticSerializationError:
            return None

    def load(self, data: bytes | None) -> T | None:
        """None for nothing, and for what is damaged or of another form."""
        if data is None:
            return None
        try:
            return self._adapter.validate_json(data)
        except ValidationError:
            return None


SEARCH: Final = Form(SearchResult)
ANSWER: Final = Form(Answer)


def whole_search(skipped: Mapping[str, str]) -> bool:
    """Whether nothing is missing from a result but what was chosen to be."""
    return all(chosen(reason) for reason in skipped.values())


def whole_answer(answer: Answer) -> bool:
    return whole_search(answer.skipped) and answer.finish_reason != "error"
