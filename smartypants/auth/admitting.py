"""Which of our users somebody is whom an issuer vouches for; new ones are made."""

from __future__ import annotations

from sqlalchemy import Engine

from smartypants.auth.oidc import Claimed
from smartypants.auth.roles import Role
from smartypants.auth.settings import IssuerSettings
from smartypants.errors import Conflict, LoginFailed
from smartypants.ledger import users
from smartypants.ledger.users import User


def admit(engine: Engine, issuer: str, settings: IssuerSettings, claimed: Claimed) -> User:
    """The user. `issuer` is its name in the settings.

    Raises `LoginFailed` for somebody who is not let in.
    """
    _check(settings, claimed)
    fallback = f"{issuer}:{claimed.subject}"
    found = users.of_identity(engine, claimed.issuer, claimed.subject)
    if found is None:
        found = _new(engine, settings, claimed, claimed.name or fallback)
    elif found.name == fallback and claimed.name is not None:
        found = users.rename(engine, found, claimed.name)  # its first token did not tell it
    if found.disabled:
        raise LoginFailed(f"{found.name} is shut out.", "Ask an admin.")
    return found


def _check(settings: IssuerSettings, claimed: Claimed) -> None:
    domain = (claimed.email or "").rpartition("@")[2]
    allowed = {each.lower() for each in settings.allowed_domains}
    if allowed and domain not in allowed:
        raise LoginFailed("This email address is not let in.", "Use one of the organization.")
    wanted = {f"{settings.group_prefix}{name}" for name in settings.required_groups}
    if wanted and wanted.isdisjoint(claimed.groups or ()):
        raise LoginFailed("You are in none of the groups that are let in.", "Ask an admin.")


def _new(engine: Engine, settings: IssuerSettings, claimed: Claimed, name: str) -> User:
    identity = (claimed.issuer, claimed.subject)
    try:
        return users.create(
            engine,
            name[: users.MAX_NAME],
            role=Role(settings.default_role),
            display_name=claimed.display_name,
            email=claimed.email,
            identity=identity,
        )
    except Conflict:
        known = users.of_identity(engine, *identity)  # another request was quicker
        if known is not None:
            return known
        same = users.named_or_none(engine, name)
        by_email = settings.trust_emails and claimed.email == name
        if same is None or same.kind != "person" or not by_email:
            raise LoginFailed(
                f"The name {name!r} is another user's.",
                "An admin can link the two: `smartypants users link`.",
            ) from None
        users.link(engine, same.id, identity)
        return same
