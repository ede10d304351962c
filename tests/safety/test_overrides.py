"""Safety overrides of collections: stricter than the settings, and never looser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine

from smartypants.errors import CollectionNotFound, SetupError
from smartypants.ledger import collections, safety
from smartypants.ledger.database import connect
from smartypants.safety.choosing import CollectionSafety
from smartypants.safety.options import SafetySettings
from smartypants.safety.overrides import SafetyOverrides

POLICIES = ["flag", "quote", "drop"]
TREATMENTS = ["allow", "mask", "remove"]
ENTITIES = st.sampled_from(["PERSON", "EMAIL_ADDRESS"])
TERMS = st.lists(st.sampled_from(["heron", "kestrel"]), unique=True)

SETTINGS = st.fixed_dictionaries(
    {
        "secrets": st.sampled_from(["remove", "keep"]),
        "max_repeats": st.integers(0, 5),
        "injection": st.fixed_dictionaries({"policy": st.sampled_from(POLICIES)}),
        "personal_data": st.fixed_dictionaries(
            {
                "enabled": st.booleans(),
                "entities": st.dictionaries(ENTITIES, st.sampled_from(TREATMENTS)),
            }
        ),
        "blocked": st.fixed_dictionaries(
            {"terms": TERMS, "action": st.sampled_from(["replace", "refuse"])}
        ),
    }
).map(SafetySettings.model_validate)
OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "secrets": st.just("remove"),
        "max_repeats": st.integers(1, 5),
        "injection": st.fixed_dictionaries({"policy": st.sampled_from(POLICIES[1:])}),
        "personal_data": st.fixed_dictionaries(
            {"entities": st.dictionaries(ENTITIES, st.sampled_from(TREATMENTS[1:]))}
        ),
        "blocked": st.fixed_dictionaries(
            {"terms": TERMS, "action": st.sampled_from(["replace", "refuse"])}
        ),
    },
).map(SafetyOverrides.model_validate)


def strictness(settings: SafetySettings) -> list[float]:
    """Of each kind, more is stricter."""
    entities = settings.personal_data.entities
    treated = [
        TREATMENTS.index(entities.get(name, "allow")) for name in ("PERSON", "EMAIL_ADDRESS")
    ]
    blocked = settings.blocked
    return [
        float(settings.secrets == "remove"),
        1 / settings.max_repeats if settings.max_repeats else 0.0,
        POLICIES.index(settings.injection.policy),
        float(settings.personal_data.enabled),
        *treated,
        float("heron" in blocked.terms),
        float("kestrel" in blocked.terms),
        float(blocked.action == "refuse"),
    ]


@given(SETTINGS, OVERRIDES)
def test_never_looser(settings: SafetySettings, own: SafetyOverrides) -> None:
    both = own.applied(settings)
    assert all(
        after >= before
        for before, after in zip(strictness(settings), strictness(both), strict=True)
    )
    assert own.applied(both).blocked.action == both.blocked.action
    assert both.injection.detector == settings.injection.detector
    for name, wanted in own.personal_data.entities.items():
        assert both.personal_data.enabled
        assert TREATMENTS.index(both.personal_data.entities[name]) >= TREATMENTS.index(wanted)


def test_nothing_asked_for_changes_nothing() -> None:
    assert SafetyOverrides().applied(SafetySettings()) == SafetySettings()


@pytest.mark.parametrize(
    "wrong",
    [{"secrets": "keep"}, {"injection": {"policy": "flag"}}, {"injection": {"detector": "none"}},
     {"personal_data": {"enabled": False}}, {"personal_data": {"entities": {"PERSON": "allow"}}},
     {"max_repeats": 0}, {"blocked": {"patterns": ["a+"]}}, {"of_the_future": 1}],
)  # fmt: skip
def test_what_would_be_looser_can_not_be_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SafetyOverrides.model_validate(wrong)


@pytest.fixture
def engine(sqlite_ledger: str) -> Iterator[Engine]:
    engine = connect(sqlite_ledger)
    collections.ensure(engine, "docs", embedding_model="m", dimension=4)
    yield engine
    engine.dispose()


def test_the_next_answer_follows(engine: Engine) -> None:
    chosen = CollectionSafety(engine, SafetySettings())
    assert chosen.of("docs") is chosen.everywhere
    epoch = collections.get(engine, "docs").epoch
    safety.put(engine, "docs", {"injection": {"policy": "drop"}}, changed_by="ann")
    assert collections.get(engine, "docs").epoch > epoch  # no answer from before is given again
    mine = chosen.of("docs")
    assert mine.settings.injection.policy == "drop"
    assert chosen.of("docs") is mine
    assert chosen.of("other") is chosen.everywhere
    safety.reset(engine, "docs")
    assert chosen.of("docs") is chosen.everywhere


def test_overrides_of_another_release_are_not_passed_over(engine: Engine) -> None:
    safety.put(engine, "docs", {"of_the_future": True})
    with pytest.raises(SetupError, match="can't be read by this release"):
        CollectionSafety(engine, SafetySettings()).of("docs")


def test_they_go_with_the_collection(engine: Engine) -> None:
    safety.put(engine, "docs", {"secrets": "remove"}, changed_by="ann")
    collections.forget(engine, "docs")
    assert safety.get(engine, "docs") is None
    with pytest.raises(CollectionNotFound):
        safety.put(engine, "docs", {})
