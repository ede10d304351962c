"""Logins: the authorization code flow with PKCE, at any OpenID Connect provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from smartypants import credentials
from smartypants.auth.issuers import Claims, OidcIssuer, fetch
from smartypants.auth.settings import AuthSettings, IssuerSettings
from smartypants.errors import IssuerUnavailable, LoginFailed, SetupError


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an issuer says of a user. `email` only where it has verified it."""

    issuer: str
    subject: str
    name: str | None
    display_name: str = ""
    email: str | None = None
    groups: tuple[str, ...] | None = None
    """None: it did not say."""


@dataclass(frozen=True, slots=True)
class Trip:
    """One login on its way: what we send along, and have to get back."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


class LoginProvider(Protocol):
    """Where users log in."""

    async def authorization_url(self, trip: Trip) -> str:
        """Where to send the browser. Raises `IssuerUnavailable`."""
        ...

    async def identify(self, code: str, trip: Trip) -> Claimed:
        """Who came back. Raises `LoginFailed`, `IssuerUnavailable`."""
        ...


class OidcProvider:
    """An OpenID Connect provider: Google, Okta, Entra, Keycloak, …"""

    def __init__(self, issuer: OidcIssuer, auth: AuthSettings) -> None:
        self._issuer = issuer
        self._settings = issuer.settings
        self._auth = auth

    async def authorization_url(self, trip: Trip) -> str:
        endpoint = (await self._issuer.endpoints()).authorization
        return await authorization_url(self._settings, self._auth, endpoint, trip)

    async def identify(self, code: str, trip: Trip) -> Claimed:
        endpoints = await self._issuer.endpoints()
        token = await exchange(self._settings, self._auth, endpoints.token, code, trip)
        signed = token.get("id_token")
        if not isinstance(signed, str):
            raise LoginFailed("The issuer gave no ID token.", "Is `openid` among the scopes?")
        claims = await self._issuer.verified(
            signed, audience=client_id(self._settings), nonce=trip.nonce
        )
        if claims.get("azp", client_id(self._settings)) != self._settings.client_id:
            raise LoginFailed("The ID token is for another client.")
        missing = {"email", self._settings.groups_claim} - set(claims)
        if missing and endpoints.userinfo is not None:
            claims = await self._with_userinfo(claims, endpoints.userinfo, token)
        return claimed(self._settings, claims)

    async def _with_userinfo(self, claims: Claims, url: str, token: dict[str, Any]) -> Claims:
        """Some providers put little into ID tokens. What was signed beats what was asked for."""
        access = token.get("access_token")
        if not isinstance(access, str):
            return claims
        more = await fetch(url, timeout_s=self._auth.timeout_s, token=access)
        if more.get("sub") != claims["sub"]:
            raise LoginFailed("The issuer's user info is of another user.")
        return {**more, **claims}


def claimed(settings: IssuerSettings, claims: Claims) -> Claimed:
    """The claims of a verified token, as the settings name them."""
    verified = claims.get("email_verified") in (True, "true")
    email = str(claims["email"]).lower() if verified and claims.get("email") else None
    if settings.name_claim == "email":
        name = email
    else:
        given = claims.get(settings.name_claim)
        name = given if isinstance(given, str) and given else None
    return Claimed(
        issuer=settings.issuer,
        subject=str(claims["sub"]),
        name=name,
        display_name=str(claims.get("name") or ""),
        email=email,
        groups=group_names(settings, claims.get(settings.groups_claim)),
    )


def group_names(settings: IssuerSettings, given: object) -> tuple[str, ...] | None:
    """A claim with one name or several, each with the issuer's prefix; None without a claim."""
    if given is None:
        return None
    names: Sequence[object] = [given] if isinstance(given, str) else given  # type: ignore[assignment]
    if not isinstance(names, list):
        return ()
    return tuple(f"{settings.group_prefix}{name}" for name in names if isinstance(name, str))


def client_id(settings: IssuerSettings) -> str:
    """Raises `SetupError`."""
    if settings.client_id is None:
        raise SetupError("The issuer is not set up for logins.", "Set its client_id.")
    return settings.client_id


@asynccontextmanager
async def oauth_client(
    settings: IssuerSettings, auth: AuthSettings, trip: Trip
) -> AsyncIterator[Any]:
    """Authlib's client, with the secret looked up now. Maps its errors to ours."""
    secret = settings.client_secret
    try:
        async with AsyncOAuth2Client(
            client_id=client_id(settings),
            client_secret=None if secret is None else credentials.resolve(secret),
            token_endpoint_auth_method="none" if secret is None else "client_secret_basic",
            scope=settings.asked_scopes,
            redirect_uri=trip.redirect_uri,
            code_challenge_method="S256",
            timeout=auth.timeout_s,
        ) as client:
            yield client
    except AuthlibBaseError as exc:
        raise LoginFailed(
            f"The issuer refused the login: {exc.error or type(exc).__name__}.", "Log in again."
        ) from None
    except (httpx.HTTPError, ValueError) as exc:
        raise IssuerUnavailable(
            f"{settings.issuer} does not answer: {type(exc).__name__}.", "Try again in a moment."
        ) from exc


async def authorization_url(
    settings: IssuerSettings, auth: AuthSettings, endpoint: str, trip: Trip
) -> str:
    async with oauth_client(settings, auth, trip) as client:
        url, _ = client.create_authorization_url(
            endpoint, state=trip.state, nonce=trip.nonce, code_verifier=trip.verifier
        )
        return str(url)


async def exchange(
    settings: IssuerSettings, auth: AuthSettings, endpoint: str, code: str, trip: Trip
) -> dict[str, Any]:
    """The tokens for a code; they are used once and forgotten."""
    async with oauth_client(settings, auth, trip) as client:
        token = await client.fetch_token(
            endpoint, code=code, code_verifier=trip.verifier, grant_type="authorization_code"
        )
        return dict(token)
