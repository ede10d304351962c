"""Who sends a request: from its API key, bearer token or session to a caller.

What was resolved is remembered for a short while, and only as long as the ledger's epoch of
permissions is the same: whatever is changed or revoked counts from the next request on.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import anyio.to_thread
from cachetools import TTLCache
from joserfc.errors import JoseError
from joserfc.jws import extract_compact
from sqlalchemy import Engine

from smartypants.auth.admitting import admit
from smartypants.auth.callers import LOCAL, Caller, How
from smartypants.auth.github import GitHubProvider
from smartypants.auth.issuers import Claims, OidcIssuer
from smartypants.auth.oidc import LoginProvider, OidcProvider, claimed
from smartypants.auth.roles import Permission, Role
from smartypants.auth.secrets import KeySecret, derived, hashed
from smartypants.auth.settings import AuthSettings
from smartypants.errors import CredentialsInvalid
from smartypants.ledger import api_keys, auth_epoch, grants, groups, sessions, users
from smartypants.ledger.users import User
from smartypants.types import PUBLIC

MAX_REMEMBERED: Final = 10_000


class Credentials(Protocol):
    """What a request says of its sender."""

    @property
    def authorization(self) -> str | None: ...

    @property
    def session(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    epoch: int


class Authenticator:
    """Resolves callers; one of it in each process that answers requests.

    >>> authenticator = Authenticator(settings.auth, engine)
    >>> caller = await authenticator.caller(credentials)  # None: it did not say who it is
    """

    def __init__(self, settings: AuthSettings, engine: Engine) -> None:
        self.settings = settings
        self._engine = engine
        self._issuers = {
            name: OidcIssuer(chosen, settings)
            for name, chosen in settings.issuers.items()
            if chosen.kind == "oidc"
        }
        ttl = min(settings.cache_s, settings.sessions.idle_s * sessions.SEEN_SHARE)
        self._remembered: TTLCache[str, _Known] = TTLCache(MAX_REMEMBERED, ttl)
        self._lock = threading.Lock()

    async def caller(self, given: Credentials) -> Caller | None:
        """Raises `CredentialsInvalid`, `LoginFailed`, `IssuerUnavailable`, `LedgerUnavailable`.

        What an `Authorization` header says beats a session's cookie.
        """
        if self.settings.mode == "open":
            return LOCAL
        if given.authorization is not None:
            scheme, _, text = given.authorization.partition(" ")
            if scheme.lower() != "bearer" or not text.strip():
                raise CredentialsInvalid(
                    "The Authorization header is none that we know.",
                    "Send `Authorization: Bearer` with an API key or a token.",
                )
            return await self._of_bearer(text.strip())
        if given.session is not None:
            return await self._remember("session", given.session, self._of_session)
        return None

    def provider(self, name: str) -> LoginProvider | None:
        """Where users of an issuer log in; None for one that is not set up for it."""
        chosen = self.settings.issuers.get(name)
        if chosen is None or chosen.client_id is None:
            return None
        if chosen.kind == "github":
            return GitHubProvider(chosen, self.settings)
        return OidcProvider(self._issuers[name], self.settings)

    async def _of_bearer(self, text: str) -> Caller:
        if KeySecret.parse(text) is not None:
            return await self._remember("key", text, self._of_key)
        said = _issuer_of(text)
        for name, issuer in self._issuers.items():
            if issuer.settings.audience is not None and issuer.settings.issuer == said:
                return await self._of_token(text, name, issuer, issuer.settings.audience)
        raise _invalid("The bearer token is no API key, and of no issuer that we trust.")

    async def _of_token(self, text: str, name: str, issuer: OidcIssuer, audience: str) -> Caller:
        known = await anyio.to_thread.run_sync(self._recall, "token", text)
        if known is not None:
            return known
        claims = await issuer.verified(text, audience=audience)
        return await self._remember("token", text, lambda _: self._of_claims(name, issuer, claims))

    def _recall(self, kind: How, secret: str) -> Caller | None:
        with self._lock:
            known = self._remembered.get(hashed(f"c-{kind}", secret))
        if known is None or known.epoch != auth_epoch.current(self._engine):
            return None
        ends = known.caller.expires_at
        return known.caller if ends is None or time.time() < ends else None

    async def _remember(self, kind: How, secret: str, find: Callable[[str], Caller]) -> Caller:
        def resolve() -> Caller:
            known = self._recall(kind, secret)
            if known is not None:
                return known
            epoch = auth_epoch.current(self._engine)  # before what it is compared with
            caller = find(secret)
            with self._lock:
                self._remembered[hashed(f"c-{kind}", secret)] = _Known(caller, epoch)
            return caller

        return await anyio.to_thread.run_sync(resolve)

    def _of_key(self, text: str) -> Caller:
        secret = KeySecret.parse(text)
        key = None if secret is None else api_keys.verify(self._engine, secret)
        user = None if key is None else users.by_id(self._engine, key.user_id)
        if key is None or user is None or user.disabled or not key.valid(time.time()):
            raise _invalid("The API key is unknown, revoked or expired.")
        api_keys.used(self._engine, key)
        scopes = None if key.scopes is None else frozenset(key.scopes)
        caller = self._resolved(user, "key", scopes=scopes, expires_at=key.expires_at)
        return replace(caller, key_id=key.id)

    def _of_session(self, secret: str) -> Caller:
        chosen = self.settings.sessions
        found = sessions.find(self._engine, secret, idle_s=chosen.idle_s)
        user = None if found is None else users.by_id(self._engine, found.user_id)
        if found is None or user is None or user.disabled:
            raise _invalid("The session has ended.")
        caller = self._resolved(user, "session", expires_at=found.expires_at)
        return replace(caller, csrf_token=derived(secret, "csrf"))

    def _of_claims(self, name: str, issuer: OidcIssuer, claims: Claims) -> Caller:
        """A token's groups count as long as it does; they are not kept."""
        said = claimed(issuer.settings, claims)
        user = admit(self._engine, name, issuer.settings, said)
        expires_at = float(claims["exp"]) + self.settings.clock_skew_s
        return self._resolved(user, "token", said.groups or (), expires_at=expires_at)

    def _resolved(
        self,
        user: User,
        how: How,
        claimed_groups: tuple[str, ...] = (),
        *,
        scopes: frozenset[Permission] | None = None,
        expires_at: float | None = None,
    ) -> Caller:
        users.seen(self._engine, user)
        names = tuple(sorted({*groups.of_user(self._engine, user.id), *claimed_groups}))
        principals = (PUBLIC, user.principal, *(f"group:{name}" for name in names))
        return Caller(
            id=user.id,
            name=user.name,
            kind="service" if user.kind == "service" else "person",
            role=Role(user.role),
            how=how,
            principals=principals,
            grants=grants.roles(self._engine, principals),
            scopes=scopes,
            groups=names,
            expires_at=expires_at,
        )


def _issuer_of(token: str) -> str | None:
    """Whom a token says it is of; nothing of it is believed before its signature is verified."""
    try:
        return str(json.loads(extract_compact(token.encode()).payload).get("iss"))
    except (JoseError, ValueError, AttributeError):
        return None


def _invalid(message: str) -> CredentialsInvalid:
    return CredentialsInvalid(message, "Log in again, or use another key.")
