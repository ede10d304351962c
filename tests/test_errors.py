"""Every error of ours: picklable, with a code of its own, and drawn in the docstring."""

from __future__ import annotations

import pickle
import re

import pytest

from smartypants import errors
from smartypants.errors import SmartyPantsError


def subclasses(kind: type[SmartyPantsError]) -> list[type[SmartyPantsError]]:
    return [kind, *(sub for child in kind.__subclasses__() for sub in subclasses(child))]


ALL = [kind for kind in subclasses(SmartyPantsError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ALL)
def test_pickles(kind: type[SmartyPantsError]) -> None:
    for error in (kind("What went wrong.", "What to do."), kind("What went wrong.")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind
        error.retry_after_s, error.retried = 7.0, True
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.retry_after_s, copy.retried) == (7.0, True)
        assert (copy.message, copy.hint, str(copy)) == (error.message, error.hint, str(error))


@pytest.mark.parametrize("kind", ALL)
def test_says_what_and_what_to_do(kind: type[SmartyPantsError]) -> None:
    assert str(kind("What.", "Do.")) == "What. Do."
    assert str(kind("What.")) == "What."
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert 400 <= kind.status < 600
    assert kind.title


def test_codes_are_distinct() -> None:
    codes = [kind.code for kind in ALL]
    assert len(set(codes)) == len(codes)


def test_every_error_of_the_module_is_one_of_ours() -> None:
    there = {item for item in vars(errors).values() if isinstance(item, type)}
    assert {item for item in there if issubclass(item, Exception)} == set(ALL)


def test_docstring_draws_the_whole_tree() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    path: list[str] = []
    status = {"SmartyPantsError": 500}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│ ├└─]*)([A-Z]\w+)(?: +(\d{3}))?", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        path[depth:] = [found[2]]
        parent = path[depth - 1] if depth else ""
        status[found[2]] = int(found[3]) if found[3] else status.get(parent, 500)
        drawn[found[2]] = (parent, status[found[2]])
    real = {kind.__name__: (kind.__mro__[1].__name__, kind.status) for kind in ALL}
    real["SmartyPantsError"] = ("", 500)
    assert drawn == real


def test_retryable_errors() -> None:
    retryable = {kind.__name__ for kind in ALL if kind.retryable}
    assert retryable == {
        "Unavailable", "Overloaded", "LedgerUnavailable",
        "StorageUnavailable", "VectorStoreUnavailable",
        "LLMUnavailable", "EmbedderUnavailable", "IssuerUnavailable", "DeadlineExceeded",
        "TurnInProgress", "RequestInProgress", "RateLimited", "QuotaSpent",
    }  # fmt: skip
