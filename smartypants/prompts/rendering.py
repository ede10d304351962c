"""Templates as texts: parsed, checked, compiled once, and rendered in Jinja2's sandbox."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import jinja2
from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.exceptions import TemplateError, TemplateRuntimeError, TemplateSyntaxError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from smartypants.prompts.grammar import FIELDS, FILTERS, LOOP_FIELDS, TESTS, Grammar, refusal
from smartypants.prompts.inputs import Passage, Turn

MAX_CHARS: Final = 20_000
"""Of all texts of a template together."""
MAX_RENDERED_CHARS: Final = 1_000_000

_NAME: Final = "<template>"
# What wrong types, indices and numbers raise while a template runs.
_FAULTS: Final = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError,
                  AssertionError, AttributeError, RecursionError)  # fmt: skip
# What texts raise in the parser that are no template: among others a number of 5,000 digits.
_UNREADABLE: Final = (ValueError, OverflowError, RecursionError, MemoryError)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, narrowed: the fields of our own values, and no call of anything."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, LoopContext):
            return attr in LOOP_FIELDS
        return isinstance(obj, (Passage, Turn)) and attr in FIELDS

    def is_safe_callable(self, obj: Any) -> bool:
        return False


def _written(value: Any) -> Any:
    if isinstance(value, (str, int, float, Undefined)):
        return value
    raise TemplateRuntimeError(f"a {type(value).__name__} can't be written, only texts and numbers")


def _environment() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined,
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        cache_size=0,
    )
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    environment.globals = {}
    return environment


_ENVIRONMENT: Final = _environment()


def variables_of(source: str, allowed: frozenset[str], *, where: str) -> frozenset[str]:
    """The variables that a text uses. Raises `PromptInvalid` for what it may not have."""
    grammar = Grammar(allowed, where=where)
    grammar.check(_parsed(source, where))
    return frozenset(grammar.used)


def rendered(source: str, values: Mapping[str, object], *, where: str, max_chars: int) -> str:
    """Raises `PromptInvalid` where it fails or has more characters."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in _compiled(source).generate(values):
            size += len(piece)
            if size > max_chars:
                raise refusal(where, None, f"more than {max_chars:,} characters come out")
            pieces.append(piece)
    except _FAULTS as exc:
        raise refusal(where, _line(exc), _said(exc)) from exc
    return "".join(pieces)


@lru_cache(maxsize=512)
def _compiled(source: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(source)


def _parsed(source: str, where: str) -> nodes.Template:
    try:
        return _ENVIRONMENT.parse(source)
    except TemplateSyntaxError as exc:
        raise refusal(where, exc.lineno, _said(exc)) from exc
    except _UNREADABLE as exc:
        raise refusal(where, None, f"it can't be read ({type(exc).__name__})") from exc


def _line(exc: BaseException) -> int | None:
    """Jinja2 puts the template's own lines into tracebacks."""
    lines = [
        line
        for frame, line in traceback.walk_tb(exc.__traceback__)
        if frame.f_code.co_filename == _NAME
    ]
    return lines[-1] if lines else None


def _said(exc: BaseException) -> str:
    text = " ".join(str(exc).split()) or type(exc).__name__
    return text[:300].rstrip(".")
