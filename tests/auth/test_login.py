"""Logins over real sockets at a real provider, and the sessions that they begin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from sqlalchemy import Engine, update

from smartypants.api.services import Services
from smartypants.auth.issuers import OidcIssuer
from smartypants.auth.secrets import hashed
from smartypants.auth.settings import AuthSettings
from smartypants.errors import CredentialsInvalid
from smartypants.ledger import groups, sessions, users
from smartypants.ledger.auth_schema import sessions as sessions_table
from tests.auth.conftest import Issuer, required, served
from tests.servers.oidc import CLIENT_ID, CLIENT_SECRET, OidcServer

SESSION, LOGIN, CSRF = "smartypants_session", "smartypants_login", "smartypants_csrf"


@pytest.fixture
def url(
    services: Services, oidc: OidcServer, app_port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.setenv("TEST_OIDC_SECRET", CLIENT_SECRET)
    test = {
        "issuer": oidc.issuer,
        "client_id": CLIENT_ID,
        "client_secret": "env:TEST_OIDC_SECRET",
        "name_claim": "email",
    }
    with served(required(services, issuers={"test": test}), app_port) as url:
        yield url


def browser(url: str) -> httpx.Client:
    return httpx.Client(base_url=url)


def logged_in(url: str, oidc: OidcServer, user: str = "ann") -> httpx.Client:
    client = browser(url)
    response = oidc.log_in(client, f"{url}/auth/login/test?return_to=/docs", user)
    assert (response.status_code, response.headers.get("Location")) == (303, f"{url}/docs")
    return client


def unsafe(client: httpx.Client, **headers: str) -> int:
    return client.post("/v1/keys", json={"name": "k"}, headers=headers).status_code


def test_a_login(url: str, oidc: OidcServer, services: Services) -> None:
    client = browser(url)
    assert client.get("/v1/me").status_code == 401
    assert client.get("/auth/issuers").json() == {"issuers": ["test"]}
    start = client.get("/auth/login/test")
    asked = {k: v[0] for k, v in parse_qs(urlsplit(start.headers["Location"]).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert {"state", "nonce"} <= set(asked)
    client = logged_in(url, oidc)
    me = client.get("/v1/me").json()
    assert (me["name"], me["role"], me["authenticated_by"]) == (
        "ann@example.com", "reader", "session",
    )  # fmt: skip
    assert me["groups"] == ["legal", "staff"]
    [member, _] = [m for found in groups.every(services.engine).values() for m in found]
    assert (member.user, member.origin) == ("ann@example.com", "test")


def test_cookies(url: str, oidc: OidcServer) -> None:
    client = browser(url)
    response = oidc.log_in(client, f"{url}/auth/login/test", "bob")
    found = {c.split("=")[0]: c for c in response.headers.get_list("Set-Cookie")}
    assert set(found) == {SESSION, CSRF, LOGIN}
    assert all("SameSite=Lax" in c and "Path=/" in c and "Secure" not in c for c in found.values())
    assert "HttpOnly" in found[SESSION]
    assert "HttpOnly" not in found[CSRF]
    assert "Max-Age=0" in found[LOGIN]
    assert client.cookies[CSRF] == client.get("/v1/me").json()["csrf_token"]


def test_unsafe_requests_come_from_our_pages(url: str, oidc: OidcServer) -> None:
    client = logged_in(url, oidc)
    token = client.cookies[CSRF]
    other = logged_in(url, oidc, "bob").cookies[CSRF]
    assert unsafe(client) == 403
    assert unsafe(client, **{"X-CSRF-Token": other}) == 403
    assert unsafe(client, **{"X-CSRF-Token": token, "Origin": "https://evil.example"}) == 403
    assert unsafe(client, **{"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}) == 403
    assert unsafe(client, **{"X-CSRF-Token": token, "Origin": url}) == 201
    made = client.post("/v1/keys", json={"name": "k"}, headers={"X-CSRF-Token": token}).json()
    # A bearer needs no token; no other site makes a browser send one.
    assert unsafe(browser(url), Authorization=f"Bearer {made['key']}") == 201


def test_logout(url: str, oidc: OidcServer) -> None:
    client = logged_in(url, oidc)
    secret = client.cookies[SESSION]
    assert client.post("/auth/logout").status_code == 403
    token = {"X-CSRF-Token": client.cookies[CSRF]}
    assert client.post("/auth/logout", headers=token).status_code == 204
    assert SESSION not in client.cookies
    again = httpx.get(f"{url}/v1/me", cookies={SESSION: secret})
    assert (again.status_code, again.json()["code"]) == (401, "credentials_invalid")


def test_a_login_gives_another_session(url: str, oidc: OidcServer) -> None:
    client = logged_in(url, oidc)
    before = client.cookies[SESSION]
    oidc.log_in(client, f"{url}/auth/login/test", "ann")
    assert client.cookies[SESSION] != before
    assert httpx.get(f"{url}/v1/me", cookies={SESSION: before}).status_code == 401


def test_sessions_end(url: str, oidc: OidcServer, services: Services) -> None:
    chosen = AuthSettings().sessions
    for column, seconds in (("seen_at", chosen.idle_s), ("expires_at", 0.0)):
        secret = logged_in(url, oidc).cookies[SESSION]
        mine = sessions_table.c.hash == hashed("session", secret)
        with services.engine.begin() as connection:
            changed = update(sessions_table).where(mine)
            connection.execute(changed.values({column: time.time() - seconds - 1}))
        assert httpx.get(f"{url}/v1/me", cookies={SESSION: secret}).status_code == 401


def test_shutting_out_ends_sessions(url: str, oidc: OidcServer, services: Services) -> None:
    client = logged_in(url, oidc)
    assert client.get("/v1/me").status_code == 200
    users.change(services.engine, "ann@example.com", disabled=True)
    assert client.get("/v1/me").status_code == 401
    users.change(services.engine, "ann@example.com", disabled=False)
    assert client.get("/v1/me").status_code == 401


def test_groups_follow_the_provider(url: str, oidc: OidcServer, services: Services) -> None:
    logged_in(url, oidc)
    user = users.named(services.engine, "ann@example.com")
    groups.claim(services.engine, user.id, ["former"], origin="test")
    groups.set_members(services.engine, "ours", [user.id])
    client = logged_in(url, oidc)
    assert client.get("/v1/me").json()["groups"] == ["legal", "ours", "staff"]


def test_an_unverified_address_is_no_name(url: str, oidc: OidcServer) -> None:
    logged_in(url, oidc, "ann")
    me = logged_in(url, oidc, "eve").get("/v1/me").json()
    assert me["principals"] == ["public", "user:test:eve"]


def callback(client: httpx.Client, url: str, oidc: OidcServer, user: str = "ann") -> str:
    """The way back of a login that the browser has not gone yet."""
    plain = httpx.Client(cookies=client.cookies)
    start = client.get(f"{url}/auth/login/test")

    def stop(request: httpx.Request) -> None:
        if "/auth/callback/" in str(request.url):
            raise RuntimeError(str(request.url))

    plain.event_hooks["request"].append(stop)
    with pytest.raises(RuntimeError) as caught:
        oidc.log_in(plain, start.headers["Location"], user)
    return str(caught.value)


def test_a_callback_belongs_to_its_browser(url: str, oidc: OidcServer) -> None:
    mine, other = browser(url), browser(url)
    back = callback(mine, url, oidc)
    other.get("/auth/login/test")
    for client, target in (
        (browser(url), back),
        (other, back),
        (mine, back.replace("state=", "state=x")),
        (mine, back.split("?")[0]),
        (mine, back + "&iss=https://evil.example"),
    ):
        response = client.get(target)
        assert (response.status_code, response.json()["code"]) == (401, "login_failed")
        assert SESSION not in client.cookies


def test_a_callback_works_once(url: str, oidc: OidcServer) -> None:
    client = browser(url)
    back = callback(client, url, oidc)
    login = client.cookies[LOGIN]
    assert client.get(back).status_code == 303
    again = httpx.get(back, cookies={LOGIN: login})
    assert (again.status_code, again.json()["code"]) == (401, "login_failed")


def test_what_the_user_refuses(url: str, oidc: OidcServer) -> None:
    client = browser(url)
    start = client.get("/auth/login/test")
    state = parse_qs(urlsplit(start.headers["Location"]).query)["state"][0]
    response = client.get(f"/auth/callback/test?error=access_denied&state={state}")
    assert (response.status_code, response.json()["code"]) == (401, "login_failed")
    assert "access_denied" in response.json()["detail"]


@pytest.mark.parametrize(
    "given", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_a_login_ends_here(url: str, oidc: OidcServer, given: str) -> None:
    client = browser(url)
    start = httpx.URL(f"{url}/auth/login/test", params={"return_to": given})
    assert oidc.log_in(client, str(start), "ann").headers["Location"] == f"{url}/"


def test_no_such_issuer(url: str) -> None:
    assert browser(url).get("/auth/login/other").status_code == 404
    assert browser(url).get("/auth/callback/other?code=1&state=2").status_code == 404


def test_an_id_token_of_another_login(
    services: Services, issuer: Issuer, engine_login: tuple[str, str]
) -> None:
    """The nonce ties the token to the login."""
    chosen = AuthSettings.model_validate({"issuers": {"test": issuer.settings()}})
    trusted = OidcIssuer(chosen.issuers["test"], chosen)
    state, nonce = engine_login
    login = sessions.take_login(services.engine, state=state, issuer="test")
    assert login is not None
    assert login.nonce == nonce

    async def check(sent: str) -> str:
        token = issuer.sign(issuer.claims(nonce=sent))
        claims = await trusted.verified(token, audience="urn:smartypants:api", nonce=login.nonce)
        return str(claims["sub"])

    assert anyio.run(check, nonce) == "u1"
    with pytest.raises(CredentialsInvalid):
        anyio.run(check, "another")


@pytest.fixture
def engine_login(services: Services) -> tuple[str, str]:
    engine: Engine = services.engine
    sessions.begin_login(
        engine, state="s", issuer="test", verifier="v" * 43, nonce="n", return_to="/"
    )
    assert sessions.take_login(engine, state="s", issuer="other") is None
    assert sessions.take_login(engine, state="t", issuer="test") is None
    return "s", "n"
