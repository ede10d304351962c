"""Logins at GitHub, which speaks OAuth 2 and no OpenID Connect."""

from __future__ import annotations

from typing import Any, Final

from smartypants.auth.issuers import fetch, fetch_any
from smartypants.auth.oidc import Claimed, Trip, authorization_url, exchange, group_names
from smartypants.auth.settings import AuthSettings, IssuerSettings
from smartypants.errors import IssuerUnavailable, LoginFailed

API: Final = "https://api.github.com"


class GitHubProvider:
    """github.com, or an Enterprise server; groups are the user's organizations."""

    def __init__(self, settings: IssuerSettings, auth: AuthSettings) -> None:
        self._settings = settings
        self._auth = auth
        self._site = settings.issuer.rstrip("/")
        self._api = API if self._site == "https://github.com" else f"{self._site}/api/v3"

    async def authorization_url(self, trip: Trip) -> str:
        url = f"{self._site}/login/oauth/authorize"
        return await authorization_url(self._settings, self._auth, url, trip)

    async def identify(self, code: str, trip: Trip) -> Claimed:
        url = f"{self._site}/login/oauth/access_token"
        token = (await exchange(self._settings, self._auth, url, code, trip)).get("access_token")
        if not isinstance(token, str):
            raise LoginFailed("GitHub gave no token.", "Log in again.")
        timeout_s = self._auth.timeout_s
        user = await fetch(f"{self._api}/user", timeout_s=timeout_s, token=token)
        emails = await self._list("user/emails", token)
        organizations = [str(each["login"]) for each in await self._list("user/orgs", token)]
        email = next(
            (str(e["email"]).lower() for e in emails if e.get("primary") and e.get("verified")),
            None,
        )
        return Claimed(
            issuer=self._settings.issuer,
            subject=str(user["id"]),
            name=email if self._settings.name_claim == "email" else str(user["login"]),
            display_name=str(user.get("name") or user["login"]),
            email=email,
            groups=group_names(self._settings, organizations),
        )

    async def _list(self, what: str, token: str) -> list[dict[str, Any]]:
        url = f"{self._api}/{what}?per_page=100"
        found = await fetch_any(url, timeout_s=self._auth.timeout_s, token=token)
        if not isinstance(found, list):
            raise IssuerUnavailable(f"{url} answers no list.")
        return found
