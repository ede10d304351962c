"""Distinct sets of principals, and who may read which."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from smartypants.errors import ValidationFailed
from smartypants.ledger.acls import acl_id, allowed_acl_ids
from smartypants.ledger.schema import acl_principals, acls
from smartypants.types import PUBLIC


def make(engine: Engine, *principals: str) -> int:
    with engine.begin() as connection:
        return acl_id(connection, principals)


def test_one_id_for_one_set(engine: Engine) -> None:
    first = make(engine, "user:ann", "group:staff")
    assert make(engine, "group:staff", "user:ann", "user:ann") == first
    assert make(engine, "user:ann") != first
    assert make(engine, PUBLIC) != first


def test_who_may_read(engine: Engine) -> None:
    everybody = make(engine, PUBLIC)
    ann = make(engine, "user:ann")
    both = make(engine, "user:ann", "group:staff")
    make(engine, "user:bob")
    assert allowed_acl_ids(engine, []) == (everybody,)
    assert allowed_acl_ids(engine, ["user:ann"]) == (everybody, ann, both)
    assert allowed_acl_ids(engine, ["group:staff"]) == (everybody, both)
    assert allowed_acl_ids(engine, ["user:ANN", "user:an%", "ann", "*"]) == (everybody,)


def test_empty_set_is_for_nobody(engine: Engine) -> None:
    nobody = make(engine)
    assert make(engine) == nobody
    assert nobody not in allowed_acl_ids(engine, ["user:ann", PUBLIC])


def test_principal_that_looks_like_two(engine: Engine) -> None:
    two = make(engine, "group:b", "user:a")
    assert make(engine, "group:b\x1fuser:a") != two
    assert two in allowed_acl_ids(engine, ["user:a"])


@pytest.mark.parametrize("principal", ["", "ann", "User:ann", "role:x", " user:ann", "Public"])
def test_no_principal(engine: Engine, principal: str) -> None:
    with pytest.raises(ValidationFailed, match="not a principal"):
        make(engine, PUBLIC, principal)


PRINCIPALS = st.sampled_from([PUBLIC, "user:a", "user:b", "group:a", "group:b"])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it is emptied each time
)
@given(sets=st.lists(st.frozensets(PRINCIPALS), max_size=8), caller=st.frozensets(PRINCIPALS))
def test_allowed_means_a_principal_in_common(
    engine: Engine, sets: list[frozenset[str]], caller: frozenset[str]
) -> None:
    with engine.begin() as connection:
        for table in (acl_principals, acls):
            connection.execute(delete(table))
    ids = {members: make(engine, *members) for members in sets}
    allowed = set(allowed_acl_ids(engine, caller))
    assert allowed == {ids[members] for members in ids if members & (caller | {PUBLIC})}
