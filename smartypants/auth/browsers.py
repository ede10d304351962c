"""What browsers need: cookies of sessions and logins, and protection against other sites."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from smartypants.auth.callers import Caller
from smartypants.auth.secrets import same
from smartypants.errors import Forbidden

CSRF_HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SESSION: Final = "smartypants_session"
_LOGIN: Final = "smartypants_login"
_CSRF: Final = "smartypants_csrf"


@dataclass(frozen=True, slots=True)
class Site:
    """Where browsers reach us: `https://search.example.com`, without a slash at its end.

    Over https a cookie has the prefix `__Host-`: no other host can set it, and no http page.
    """

    base_url: str

    @classmethod
    def of(cls, public_url: str | None, scheme: str, host: str) -> Site:
        """As the settings say, else as this request came in."""
        return cls((public_url or f"{scheme}://{host}").rstrip("/"))

    @property
    def secure(self) -> bool:
        return self.base_url.startswith("https:")

    @property
    def origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    def redirect_uri(self, issuer: str) -> str:
        return f"{self.base_url}/auth/callback/{issuer}"

    @property
    def session_cookie(self) -> str:
        return self._named(_SESSION)

    @property
    def login_cookie(self) -> str:
        return self._named(_LOGIN)

    @property
    def csrf_cookie(self) -> str:
        return self._named(_CSRF)

    def _named(self, name: str) -> str:
        return f"__Host-{name}" if self.secure else name

    def cookie(self, name: str, value: str, *, max_age_s: int, readable: bool = False) -> str:
        """A `Set-Cookie` header. Lax: links from elsewhere work, forms from elsewhere do not.

        `readable`: the page's scripts may read it.
        """
        found: SimpleCookie = SimpleCookie()
        found[name] = value
        found[name]["path"] = "/"
        found[name]["max-age"] = max_age_s
        found[name]["samesite"] = "Lax"
        found[name]["httponly"] = not readable
        found[name]["secure"] = self.secure
        return found[name].OutputString()

    def without(self, name: str) -> str:
        return self.cookie(name, "", max_age_s=0)


def cookies(header: str | None) -> Mapping[str, str]:
    """What a browser sent; nothing where that can't be read."""
    try:
        return {name: found.value for name, found in SimpleCookie(header or "").items()}
    except CookieError:
        return {}


def check_csrf(caller: Caller, headers: Mapping[str, str]) -> None:
    """Raises `Forbidden` for an unsafe request of a session that another site may have sent: the
    token is what other sites can't know."""
    sent = headers.get(CSRF_HEADER, "")
    if caller.csrf_token is None or not same(sent, caller.csrf_token):
        raise Forbidden(
            f"The header {CSRF_HEADER} is missing or wrong.",
            "Send what `csrf_token` of GET /v1/me says, or the cookie of that name.",
        )


def check_origin(site: Site, headers: Mapping[str, str]) -> None:
    """Raises `Forbidden` for what a browser says is from another site."""
    origin = headers.get("Origin")
    elsewhere = origin is not None and origin != site.origin
    if elsewhere or headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden(
            "The request is from another site.", "Set auth.public_url if this is the right one."
        )


def check_host(host: str, public_url: str | None) -> None:
    """Raises `Forbidden` for a name that a stranger can point at this machine: a page from there
    could read what is for everybody on it. Addresses and names without a dot are nobody's."""
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    ours = public_url is not None and name == urlsplit(public_url).hostname
    if ours or "." not in name or name.endswith(".localhost") or _is_address(name):
        return
    raise Forbidden(
        f"Nobody says who it is here, so {name} may not be its name.",
        "Set auth.public_url if it is ours, or auth.mode to required.",
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def local_path(given: str | None) -> str:
    """Where to go after a login: a path here, or the start; never another site."""
    path = given or "/"
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
