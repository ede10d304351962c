"""An OpenID Connect issuer: what it publishes, and whether it signed a token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from smartypants.auth.settings import AuthSettings, IssuerSettings, is_loopback
from smartypants.errors import CredentialsInvalid, IssuerUnavailable

log = structlog.get_logger(__name__)

MAX_BYTES: Final = 2**20
MAX_TOKEN_CHARS: Final = 16_384

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Of a discovery document what we use."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None


class OidcIssuer:
    """Its discovery document and signing keys, fetched when they are needed, and again when they
    are old or a token names a key that is not among them.

    >>> issuer = OidcIssuer(settings.auth.issuers["okta"], settings.auth)
    >>> claims = await issuer.verified(token, audience="api://smartypants")
    """

    def __init__(self, settings: IssuerSettings, auth: AuthSettings) -> None:
        self.settings = settings
        self._auth = auth
        self._endpoints: tuple[Endpoints, float] | None = None
        self._keys: tuple[KeySet, float] | None = None
        self._lock = asyncio.Lock()

    async def endpoints(self) -> Endpoints:
        """Raises `IssuerUnavailable`."""
        async with self._lock:
            return await self._known_endpoints()

    async def _known_endpoints(self) -> Endpoints:
        if self._endpoints is not None and self._fresh(self._endpoints[1]):
            return self._endpoints[0]
        issuer = self.settings.issuer
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await fetch(url, timeout_s=self._auth.timeout_s)
        if found.get("issuer") != issuer:
            raise IssuerUnavailable(
                f"{url} is of another issuer than {issuer}.", "Correct auth.issuers.*.issuer."
            )
        userinfo = found.get("userinfo_endpoint")
        endpoints = Endpoints(
            _endpoint(found, "authorization_endpoint"),
            _endpoint(found, "token_endpoint"),
            _endpoint(found, "jwks_uri"),
            None if userinfo is None else _endpoint(found, "userinfo_endpoint"),
        )
        self._endpoints = (endpoints, time.monotonic())
        return endpoints

    def _fresh(self, at: float) -> bool:
        return time.monotonic() - at < self._auth.keys_max_age_s

    async def verified(self, token: str, *, audience: str, nonce: str | None = None) -> Claims:
        """The claims of a token that this issuer signed, for this audience, and that is valid now.

        Raises `CredentialsInvalid`, `IssuerUnavailable`.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise CredentialsInvalid("The token is too long.")
        try:
            claims = await self._signed(token)
            self._registry(audience, nonce).validate(claims)
        except (JoseError, ValueError, KeyError, TypeError) as exc:
            log.info("token_refused", issuer=self.settings.issuer, reason=type(exc).__name__)
            raise CredentialsInvalid(
                "The token is not valid: it is expired, altered, of another issuer, or for "
                "another audience.",
                "Get a new one.",
            ) from None
        return claims

    def _registry(self, audience: str, nonce: str | None) -> JWTClaimsRegistry:
        wanted: dict[str, Any] = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": audience},
            "exp": {"essential": True},
            "sub": {"essential": True},
        }
        if nonce is not None:
            wanted["nonce"] = {"essential": True, "value": nonce}
        return JWTClaimsRegistry(leeway=int(self._auth.clock_skew_s), **wanted)

    async def _signed(self, token: str) -> Claims:
        keys, at = await self._signing_keys(older_than=None)
        try:
            return self._decoded(token, keys)
        except (InvalidKeyIdError, ValueError):  # signed with a key that is new to us, perhaps
            newer, _ = await self._signing_keys(older_than=at)
            if newer is keys:
                raise
            return self._decoded(token, newer)

    def _decoded(self, token: str, keys: KeySet) -> Claims:
        return dict(jwt.decode(token, keys, algorithms=list(self.settings.algorithms)).claims)

    async def _signing_keys(self, *, older_than: float | None) -> tuple[KeySet, float]:
        """Those we know; fetched anew if they are old, or no newer than `older_than`.

        What was fetched just now is not fetched again: anybody can name keys that do not exist.
        Keys that are old serve on where the issuer does not answer.
        """
        async with self._lock:
            known = self._keys
            if known is not None:
                age = time.monotonic() - known[1]
                overtaken = older_than is not None and known[1] <= older_than
                if self._fresh(known[1]) and not (overtaken and age > self._auth.keys_min_age_s):
                    return known
            try:
                url = (await self._known_endpoints()).keys
                document = await fetch(url, timeout_s=self._auth.timeout_s)
                self._keys = (_usable(document), time.monotonic())
            except IssuerUnavailable as exc:
                if known is None:
                    raise
                log.warning("issuer_keys_not_renewed", issuer=self.settings.issuer, error=str(exc))
                return known
            return self._keys


def _usable(document: Claims) -> KeySet:
    """The public keys for signatures; others, and kinds that we do not know, are left out."""
    found = []
    for key in document.get("keys") or []:
        if isinstance(key, dict) and key.get("kty") != "oct" and key.get("use", "sig") == "sig":
            try:
                found += KeySet.import_key_set({"keys": [key]}).keys
            except (JoseError, ValueError, KeyError, TypeError):
                log.info("issuer_key_unknown", kty=str(key.get("kty"))[:20])
    if not found:
        raise IssuerUnavailable("The issuer publishes no key that we can use.")
    return KeySet(found)


def _endpoint(document: Claims, name: str) -> str:
    """Raises `IssuerUnavailable` for an address that could be listened in to."""
    url = document.get(name)
    parts = urlsplit(url) if isinstance(url, str) else None
    safe = parts and (parts.scheme == "https" or is_loopback(parts.hostname or ""))
    if not isinstance(url, str) or not safe:
        raise IssuerUnavailable(f"The issuer's discovery document has no good {name}.")
    return url


async def fetch(url: str, *, timeout_s: float, token: str | None = None) -> Claims:
    """A JSON object. Raises `IssuerUnavailable`."""
    found = await fetch_any(url, timeout_s=timeout_s, token=token)
    if not isinstance(found, dict):
        raise IssuerUnavailable(f"{url} answers no JSON object.")
    return found


async def fetch_any(url: str, *, timeout_s: float, token: str | None = None) -> Any:
    """Any JSON. Raises `IssuerUnavailable`."""
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        async with httpx.AsyncClient(timeout=timeout_s, headers=headers) as client:
            response = await client.get(url)
            response.raise_for_status()
            if len(response.content) > MAX_BYTES:
                raise IssuerUnavailable(f"{url} answers too much.")
            return response.json()
    except (httpx.HTTPError, ValueError) as exc:
        raise IssuerUnavailable(
            f"{url} does not answer: {type(exc).__name__}.", "Try again in a moment."
        ) from exc
