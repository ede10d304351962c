"""Bearer tokens: only good ones, only for us, and only as long as they last."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.testclient import TestClient

from smartypants.api.app import create_app
from smartypants.api.services import Services
from smartypants.ledger import groups, users
from tests.auth.conftest import Issuer, bearer, new_key, required
from tests.servers.oidc import RESOURCE, OidcServer


def client_of(services: Services, issuer: Issuer, **more: Any) -> TestClient:
    auth = {"issuers": {"test": issuer.settings(**more)}, "keys_min_age_s": 0.001}
    return TestClient(create_app(required(services, **auth)))


def status(client: TestClient, token: str) -> int:
    response = client.get("/v1/me", headers=bearer(token))
    if response.status_code == 401:
        assert response.json()["code"] in ("credentials_invalid", "login_failed")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    return response.status_code


def test_a_good_token(services: Services, issuer: Issuer) -> None:
    client = client_of(services, issuer, group_prefix="idp/")
    claims = issuer.claims(email="Ann@x.org", email_verified=True, groups=["staff"], name="Ann")
    me = client.get("/v1/me", headers=bearer(issuer.sign(claims))).json()
    assert (me["name"], me["role"], me["authenticated_by"]) == ("ann@x.org", "reader", "token")
    assert me["principals"] == ["public", "user:ann@x.org", "group:idp/staff"]
    assert groups.every(services.engine) == {}  # a token's groups are not kept
    again = issuer.claims(email="other@x.org", email_verified=True)
    me = client.get("/v1/me", headers=bearer(issuer.sign(again))).json()
    assert me["principals"] == ["public", "user:ann@x.org"]  # the same subject


BAD: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda i: i.sign(i.claims(exp=int(time.time()) - 61)),
    "no expiry": lambda i: i.sign(i.claims(exp=None)),
    "not yet": lambda i: i.sign(i.claims(nbf=int(time.time()) + 120)),
    "another audience": lambda i: i.sign(i.claims(aud="other")),
    "no audience": lambda i: i.sign(i.claims(aud=None)),
    "another issuer": lambda i: i.sign(i.claims(iss="http://127.0.0.1:9")),
    "issuer with more": lambda i: i.sign(i.claims(iss=f"{i.url}/")),
    "no subject": lambda i: i.sign(i.claims(sub=None)),
    "another's key": lambda i: i.sign(i.claims(), new_key("first")),
    "unknown key": lambda i: i.sign(i.claims(), new_key("other")),
    "none": lambda i: _unsigned(i.claims(), {"alg": "none"}),
    "none, with a kid": lambda i: _unsigned(i.claims(), {"alg": "none", "kid": "first"}),
    "our public key as a secret": lambda i: _confused(i),
    "algorithm left out": lambda i: _unsigned(i.claims(), {"kid": "first"}),
    "altered": lambda i: _altered(i.sign(i.claims())),
    "no token": lambda i: "abc",
    "three dots": lambda i: "...",
    "too long": lambda i: i.sign(i.claims(more="x" * 20_000)),
}


def _unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def _confused(issuer: Issuer) -> str:
    public = issuer.keys[0].as_pem(private=False)
    key = OctKey.import_key(base64.b64encode(public).decode())
    return jwt.encode({"alg": "HS256", "kid": "first"}, issuer.claims(), key, algorithms=["HS256"])


def _altered(token: str) -> str:
    header, _, signature = token.split(".")
    other = _unsigned({"iss": "x"}, {}).split(".")[1]
    return f"{header}.{other}.{signature}"


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_bad_token(services: Services, issuer: Issuer, make: Callable[[Issuer], str]) -> None:
    client = client_of(services, issuer)
    assert status(client, make(issuer)) == 401
    assert status(client, issuer.sign(issuer.claims())) == 200
    assert users.page(services.engine, limit=9)[1:] == []  # only the good one made a user


def test_clocks_may_differ(services: Services, issuer: Issuer) -> None:
    client = client_of(services, issuer)
    assert status(client, issuer.sign(issuer.claims(exp=int(time.time()) - 30))) == 200
    assert status(client, issuer.sign(issuer.claims(nbf=int(time.time()) + 30))) == 200


def test_keys_rotate(services: Services, issuer: Issuer) -> None:
    client = client_of(services, issuer)
    old = issuer.sign(issuer.claims())
    assert status(client, old) == 200
    issuer.keys.append(new_key("second"))
    assert status(client, issuer.sign(issuer.claims(jti="2"))) == 200
    assert issuer.fetched == 2
    assert status(client, old) == 200
    issuer.down = True  # what is known serves on
    assert status(client, issuer.sign(issuer.claims(jti="3"))) == 200


def test_unknown_keys_do_not_make_us_fetch(services: Services, issuer: Issuer) -> None:
    auth = {"issuers": {"test": issuer.settings()}, "keys_min_age_s": 3600}
    client = TestClient(create_app(required(services, **auth)))
    for number in range(3):
        claims = issuer.claims(jti=str(number))
        assert status(client, issuer.sign(claims, new_key(f"unknown{number}"))) == 401
    assert issuer.fetched == 1


def test_an_issuer_that_is_down(services: Services, issuer: Issuer) -> None:
    client = client_of(services, issuer)
    issuer.down = True
    response = client.get("/v1/me", headers=bearer(issuer.sign(issuer.claims())))
    assert (response.status_code, response.json()["code"]) == (503, "issuer_unavailable")


def test_an_issuer_without_audience_gives_no_bearers(services: Services, issuer: Issuer) -> None:
    assert status(client_of(services, issuer, audience=None), issuer.sign(issuer.claims())) == 401


def test_a_user_who_is_shut_out(services: Services, issuer: Issuer) -> None:
    client = client_of(services, issuer)
    token = issuer.sign(issuer.claims())
    assert status(client, token) == 200
    users.change(services.engine, "test:u1", disabled=True)
    assert status(client, token) == 401
    assert status(client, issuer.sign(issuer.claims(jti="2"))) == 401


def test_who_is_let_in(services: Services, issuer: Issuer) -> None:
    client = client_of(services, issuer, allowed_domains=["x.org"], required_groups=["staff"])
    good = {"email": "a@x.org", "email_verified": True, "groups": ["staff"]}
    for number, (changes, expected) in enumerate(
        (
            ({}, 200),
            ({"email": "a@y.org"}, 401),
            ({"email": "a@evil-x.org"}, 401),
            ({"email_verified": False}, 401),
            ({"groups": ["Staff", "other"]}, 401),
            ({"groups": None}, 401),
        )
    ):
        claims = issuer.claims(sub=f"u{number}", **(good | changes))
        assert status(client, issuer.sign(claims)) == expected, changes


def test_a_name_belongs_to_who_had_it_first(services: Services, issuer: Issuer) -> None:
    said = {"email": "a@x.org", "email_verified": True}
    client = client_of(services, issuer)
    assert status(client, issuer.sign(issuer.claims(sub="u1", **said))) == 200
    assert status(client, issuer.sign(issuer.claims(sub="u2", **said))) == 401
    trusting = client_of(services, issuer, trust_emails=True)
    assert status(trusting, issuer.sign(issuer.claims(sub="u2", **said))) == 200
    assert [user.name for user in users.page(services.engine, limit=9)] == ["a@x.org"]


def test_a_token_of_a_real_provider(services: Services, oidc: OidcServer) -> None:
    issuers = {"test": {"issuer": oidc.issuer, "audience": RESOURCE}}
    client = TestClient(create_app(required(services, issuers=issuers)))
    me = client.get("/v1/me", headers=bearer(oidc.machine_token())).json()
    assert me["name"] == "test:smartypants"
