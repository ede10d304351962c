"""`/auth/…`: browsers log in at an issuer, come back with a session, and log out."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import structlog
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from smartypants.api import context
from smartypants.api.authentication import sent
from smartypants.api.bodies import NO_BODY
from smartypants.api.fields import Identifier, NoParams, Params
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.admitting import admit
from smartypants.auth.authenticating import Authenticator
from smartypants.auth.browsers import Site, cookies, local_path
from smartypants.auth.oidc import Claimed, LoginProvider, Trip
from smartypants.auth.roles import Permission
from smartypants.auth.secrets import derived, new_secret, same
from smartypants.errors import IssuerUnavailable, LoginFailed, NotFound
from smartypants.ledger import groups, sessions

log = structlog.get_logger(__name__)


class IssuerPath(Params):
    issuer: Identifier


class LoginQuery(IssuerPath):
    return_to: str | None = Field(
        None, max_length=2000, description="A path here, to go to afterwards. Default: `/`."
    )


class CallbackQuery(IssuerPath):
    """Issuers add parameters of their own."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    code: str | None = Field(None, max_length=4000)
    state: str | None = Field(None, max_length=200)
    iss: str | None = Field(None, max_length=500)
    error: str | None = Field(None, max_length=200)


class Issuers(BaseModel):
    """Where one can log in: `GET /auth/login/NAME` goes there."""

    issuers: list[str]


def _authenticator(request: Request) -> Authenticator:
    found: Authenticator = request.app.state.authenticator
    return found


def _provider(call: Call[None, Any]) -> LoginProvider:
    found = _authenticator(call.request).provider(call.params.issuer)
    if found is None:
        raise NotFound(
            f"There is no login at {call.params.issuer!r}.", "GET /auth/issuers lists them."
        )
    return found


async def _issuers(call: Call[None, NoParams]) -> Issuers:
    chosen = _authenticator(call.request).settings.issuers
    return Issuers(issuers=[name for name, item in chosen.items() if item.client_id is not None])


async def _login(call: Call[None, LoginQuery]) -> Response:
    issuer = call.params.issuer
    provider, site = _provider(call), context.site(call.request, call.services.settings.auth)
    # A verifier has 43 to 128 characters (RFC 7636).
    trip = Trip(new_secret(), new_secret(), new_secret(), site.redirect_uri(issuer))
    url = await provider.authorization_url(trip)
    await anyio.to_thread.run_sync(
        lambda: sessions.begin_login(
            call.services.engine,
            state=trip.state,
            issuer=issuer,
            verifier=trip.verifier,
            nonce=trip.nonce,
            return_to=local_path(call.params.return_to),
        )
    )
    response = _redirect(url)
    cookie = site.cookie(site.login_cookie, trip.state, max_age_s=int(sessions.LOGIN_S))
    response.headers.append("Set-Cookie", cookie)
    return response


async def _callback(call: Call[None, CallbackQuery]) -> Response:
    provider, site = _provider(call), context.site(call.request, call.services.settings.auth)
    chosen = call.services.settings.auth
    login = await anyio.to_thread.run_sync(_login_of, call, site)
    claimed = await provider.identify(
        call.params.code or "",
        Trip(
            call.params.state or "",
            login.nonce,
            login.verifier,
            site.redirect_uri(call.params.issuer),
        ),
    )
    before = sent(call.request, site).session
    secret = await anyio.to_thread.run_sync(_begin, call, claimed, before)
    response = _redirect(f"{site.base_url}{login.return_to}")
    max_age_s = int(chosen.sessions.absolute_s)
    for cookie in (
        site.cookie(site.session_cookie, secret, max_age_s=max_age_s),
        site.cookie(site.csrf_cookie, derived(secret, "csrf"), max_age_s=max_age_s, readable=True),
        site.without(site.login_cookie),
    ):
        response.headers.append("Set-Cookie", cookie)
    return response


def _login_of(call: Call[None, CallbackQuery], site: Site) -> sessions.Login:
    """The login that this browser began. Raises `LoginFailed`."""
    given = call.params
    state = cookies(call.request.headers.get("Cookie")).get(site.login_cookie, "")
    if not given.state or not same(state, given.state):
        raise LoginFailed("This browser did not begin this login.", "Log in again.")
    login = sessions.take_login(call.services.engine, state=state, issuer=given.issuer)
    issuer = call.services.settings.auth.issuers[given.issuer].issuer
    if login is None or (given.iss is not None and given.iss != issuer):
        raise LoginFailed("The login took too long, or came back twice.", "Log in again.")
    if given.error is not None or not given.code:
        reason = given.error if (given.error or "").isidentifier() else "no code"
        raise LoginFailed(f"The issuer refused the login: {reason}.", "Log in again.")
    return login


def _begin(call: Call[None, CallbackQuery], claimed: Claimed, before: str | None) -> str:
    """The secret of a new session; another than the browser had before."""
    engine, name = call.services.engine, call.params.issuer
    chosen = call.services.settings.auth
    user = admit(engine, name, chosen.issuers[name], claimed)
    groups.claim(engine, user.id, claimed.groups or (), origin=name)
    log.info("login", user_id=user.id, issuer=name)
    return sessions.begin(engine, user.id, absolute_s=chosen.sessions.absolute_s, replacing=before)


async def _logout(call: Call[None, NoParams]) -> Response:
    site = context.site(call.request, call.services.settings.auth)
    secret = sent(call.request, site).session
    if secret is not None:
        await anyio.to_thread.run_sync(sessions.end, call.services.engine, secret)
    response = Response(status_code=204)
    for name in (site.session_cookie, site.csrf_cookie):
        response.headers.append("Set-Cookie", site.without(name))
    return response


def _redirect(url: str) -> Response:
    return RedirectResponse(url, status_code=303)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/auth/issuers",
        tag="Access",
        summary="List where one can log in",
        permission=Permission.NOTHING,
        handler=_issuers,
        body=NO_BODY,
        params=NoParams,
        response=Issuers,
    ),
    Route(
        method="GET",
        path="/auth/login/{issuer}",
        tag="Access",
        summary="Log in with a browser: redirects to the issuer",
        permission=Permission.NOTHING,
        handler=_login,
        body=NO_BODY,
        params=LoginQuery,
        response=None,
        status=303,
        errors=(NotFound, IssuerUnavailable),
    ),
    Route(
        method="GET",
        path="/auth/callback/{issuer}",
        tag="Access",
        summary="Come back from the issuer: begins a session",
        permission=Permission.NOTHING,
        handler=_callback,
        body=NO_BODY,
        params=CallbackQuery,
        response=None,
        status=303,
        errors=(LoginFailed, NotFound, IssuerUnavailable),
    ),
    Route(
        method="POST",
        path="/auth/logout",
        changes=False,  # again, it does no more; and it sets cookies
        tag="Access",
        summary="End the browser's session",
        permission=Permission.ACCOUNT,
        handler=_logout,
        body=NO_BODY,
        params=NoParams,
        response=None,
        status=204,
    ),
)
