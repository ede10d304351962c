"""Column types for text from outside: what no database stores is replaced, what is long is cut.

SQLite stores any text of any length. PostgreSQL refuses NUL characters, lone surrogates, text
over a column's length, and `NaN` in JSON; a document that brings one must not end a job.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import Dialect, TypeDecorator
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine

from smartypants.types import stable_id

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_ID_CHARS = 32


def storable(text: str) -> str:
    """The text with U+FFFD for NUL characters and lone surrogates."""
    return _REFUSED.sub("\ufffd", text)


def fit(text: str, length: int) -> str:
    """Storable text of `length` characters at most; texts that differ stay different.

    What is longer keeps its beginning and ends with a hash of the whole.
    """
    text = storable(text)
    if len(text) <= length:
        return text
    digest = stable_id(text)
    return f"{text[: length - _ID_CHARS - 1]}~{digest}" if length > _ID_CHARS else digest[:length]


class Text(TypeDecorator[str]):
    """Text of any length, made storable."""

    impl = sqlalchemy.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class String(TypeDecorator[str]):
    """Text that fits its column."""

    impl = sqlalchemy.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else fit(value, self.length)


class JSON(TypeDecorator[Any]):
    """JSON whose texts are storable, and whose numbers are finite (others become null)."""

    impl = sqlalchemy.JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return _storable_json(value)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        return self.impl_instance.coerce_compared_value(op, value)


def _storable_json(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {storable(str(key)): _storable_json(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_storable_json(item) for item in value]
    return value
