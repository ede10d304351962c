"""API keys in the ledger, in both databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select

from smartypants.auth.roles import Permission, Role
from smartypants.auth.secrets import KeySecret, hashed
from smartypants.errors import ApiKeyNotFound, Conflict, ValidationFailed
from smartypants.ledger import api_keys, auth_epoch, grants, groups, sessions, users
from smartypants.ledger.auth_schema import api_keys as table
from smartypants.ledger.database import connect, reading
from smartypants.ledger.users import User


@pytest.fixture
def engines(either_ledger: str) -> Iterator[list[Engine]]:
    """As many processes have their own."""
    found = [connect(either_ledger) for _ in range(4)]
    yield found
    for engine in found:
        engine.dispose()


@pytest.fixture
def ann(engine: Engine) -> User:
    return users.create(engine, "ann", role=Role.READER)


def test_the_first_admin_is_made_once(engines: list[Engine]) -> None:
    with ThreadPoolExecutor(len(engines)) as pool:
        made = [found for found in pool.map(api_keys.bootstrap, engines) if found is not None]
    assert len(made) == 1
    user, secret = made[0]
    assert users.page(engines[0], limit=9) == [users.named(engines[0], "admin")]
    assert (user.role, api_keys.bootstrap(engines[1])) == (Role.ADMIN, None)
    key = api_keys.verify(engines[0], secret)
    assert key is not None
    assert key.valid(time.time())


def test_there_is_no_first_admin_beside_another(engine: Engine) -> None:
    users.create(engine, "root", role=Role.ADMIN)
    assert api_keys.bootstrap(engine) is None


def test_a_bootstrap_finds_a_free_name(engine: Engine) -> None:
    users.create(engine, "admin", role=Role.READER)
    made = api_keys.bootstrap(engine)
    assert made is not None
    assert made[0].name == "admin2"


def test_only_a_hash_is_kept(engine: Engine, ann: User) -> None:
    key, secret = api_keys.create(engine, ann, name="k", scopes=["documents:read"])
    with reading(engine) as connection:
        row = str(connection.execute(select(table)).one())
    assert secret.secret not in row
    assert secret.secret not in repr(secret)
    assert api_keys.verify(engine, secret) == key
    assert key.scopes == (Permission.DOCUMENTS_READ,)
    assert KeySecret.parse(secret.text) == secret
    for other in (KeySecret(key.id, KeySecret.new().secret), KeySecret("0" * 16, secret.secret)):
        assert api_keys.verify(engine, other) is None
    assert hashed("key", "a") != hashed("session", "a")


@pytest.mark.parametrize("text", ["", "sp_", "sk-x", "sp_12_ab", "sp_" + "0" * 16 + "_" + "é" * 43])
def test_what_is_no_key(text: str) -> None:
    assert KeySecret.parse(text) is None


def test_rotating_overlaps(engine: Engine, ann: User) -> None:
    key, old = api_keys.create(engine, ann, name="k", scopes=["account"])
    new, secret = api_keys.rotate(engine, key.id, overlap_s=100)
    former = api_keys.verify(engine, old)
    assert former is not None
    now = time.time()
    assert former.valid(now + 90)
    assert not former.valid(now + 110)
    assert (former.replaced_by, new.scopes, new.expires_at) == (new.id, key.scopes, None)
    assert api_keys.verify(engine, secret) == new
    for _ in range(2):
        with pytest.raises(Conflict):
            api_keys.rotate(engine, key.id)
    assert len(api_keys.every(engine)) == 2  # what was refused made none
    api_keys.revoke(engine, new.id)
    with pytest.raises(Conflict):
        api_keys.rotate(engine, new.id)


def test_rotating_never_prolongs(engine: Engine, ann: User) -> None:
    soon = time.time() + 50
    key, _ = api_keys.create(engine, ann, name="k", expires_at=soon)
    api_keys.rotate(engine, key.id, overlap_s=1000)
    assert api_keys.get(engine, key.id).expires_at == pytest.approx(soon, abs=1e-3)


def test_a_key_is_rotated_once_at_a_time(engines: list[Engine]) -> None:
    user = users.create(engines[0], "ann", role=Role.READER)
    key, _ = api_keys.create(engines[0], user, name="k")

    def rotate(engine: Engine) -> bool:
        try:
            api_keys.rotate(engine, key.id)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(len(engines)) as pool:
        assert sum(pool.map(rotate, engines)) == 1


def test_what_a_key_needs(engine: Engine, ann: User) -> None:
    service = users.create(engine, "crawler", kind="service", role=Role.SERVICE)
    for user, changes in (
        (service, {}),
        (ann, {"scopes": ["everything"]}),
        (ann, {"scopes": ["nothing"]}),
        (ann, {"name": " "}),
    ):
        with pytest.raises(ValidationFailed):
            api_keys.create(engine, user, **({"name": "k"} | changes))  # type: ignore[arg-type]
    with pytest.raises(ApiKeyNotFound):
        api_keys.revoke(engine, "0" * 16)


def test_every_change_moves_the_epoch(engine: Engine, ann: User) -> None:
    key, _ = api_keys.create(engine, ann, name="k")
    secret = sessions.begin(engine, ann.id, absolute_s=100)
    group = "staff"
    changes = {
        "role": lambda: users.change(engine, "ann", role=Role.EDITOR),
        "disabled": lambda: users.change(engine, "ann", disabled=True),
        "members": lambda: groups.set_members(engine, group, [ann.id]),
        "claim": lambda: groups.claim(engine, ann.id, ["a"], origin="idp"),
        "group": lambda: groups.remove(engine, group),
        "grant": lambda: grants.give(engine, "docs", "user:ann", Role.READER),
        "no grant": lambda: grants.take(engine, "docs", "user:ann"),
        "rotated": lambda: api_keys.rotate(engine, key.id),
        "revoked": lambda: api_keys.revoke(engine, key.id),
        "logged out": lambda: sessions.end(engine, secret),
        "renamed": lambda: users.rename(engine, ann, "anna"),
    }
    before = auth_epoch.current(engine)
    for name, change in changes.items():
        change()  # type: ignore[no-untyped-call]
        now = auth_epoch.current(engine)
        assert now > before, name
        before = now
    assert not groups.claim(engine, ann.id, ["a"], origin="idp")
    assert auth_epoch.current(engine) == before


def test_names(engine: Engine, ann: User) -> None:
    with pytest.raises(Conflict):
        users.create(engine, "ann", role=Role.READER)
    for name in ("", " ann", "a\0b", "x" * 201):
        with pytest.raises(ValidationFailed):
            users.create(engine, name, role=Role.READER)
    with pytest.raises(ValidationFailed):
        users.create(engine, "x", role=Role.SERVICE)
    users.link(engine, ann.id, ("https://idp", "1"))
    bob = users.create(engine, "bob", role=Role.READER)
    with pytest.raises(Conflict):
        users.link(engine, bob.id, ("https://idp", "1"))
    assert users.of_identity(engine, "https://idp", "1") == ann
    assert users.rename(engine, bob, "ann") == bob
