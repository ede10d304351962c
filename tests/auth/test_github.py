"""Logins at GitHub, by what its documentation says that it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from starlette.testclient import TestClient

from smartypants.api.app import create_app
from smartypants.api.services import Services
from tests.auth.conftest import required
from tests.canaries import canary

ANSWERS: dict[str, Any] = {
    "/api/v3/user": {"id": 583231, "login": "octocat", "name": "The Octocat"},
    "/api/v3/user/emails": [
        {"email": "other@example.com", "primary": False, "verified": True},
        {"email": "Octocat@example.com", "primary": True, "verified": True},
    ],
    "/api/v3/user/orgs": [{"login": "github"}, {"login": "example-org"}],
}

TOKEN = canary("gho-of-the-tests")


class GitHub:
    """An Enterprise server: one code, one token, three answers."""

    def __init__(self) -> None:
        self.challenge = ""
        self.redirect_uri = ""
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                sent = {name: values[0] for name, values in form.items()}
                verifier = create_s256_code_challenge(sent.get("code_verifier", ""))
                good = (sent["code"], verifier) == ("good", outer.challenge)
                good = good and sent["redirect_uri"] == outer.redirect_uri
                # GitHub answers 200 for errors too.
                self._send({"access_token": TOKEN, "token_type": "bearer", "scope": ""} if good
                           else {"error": "bad_verification_code"})  # fmt: skip

            def do_GET(self) -> None:
                assert self.headers["Authorization"] == f"Bearer {TOKEN}"
                self._send(ANSWERS[urlsplit(self.path).path])

            def _send(self, body: Any) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def github() -> Iterator[GitHub]:
    found = GitHub()
    yield found
    found.server.shutdown()
    found.server.server_close()


def log_in(services: Services, github: GitHub, code: str = "good", **more: Any) -> TestClient:
    issuer = {"kind": "github", "issuer": github.url, "client_id": "Iv1", **more}
    client = TestClient(create_app(required(services, issuers={"gh": issuer})))
    start = client.get("/auth/login/gh", follow_redirects=False)
    asked = {k: v[0] for k, v in parse_qs(urlsplit(start.headers["Location"]).query).items()}
    assert start.headers["Location"].startswith(f"{github.url}/login/oauth/authorize?")
    assert asked["scope"] == "read:user user:email read:org"
    github.challenge, github.redirect_uri = asked["code_challenge"], asked["redirect_uri"]
    back = {"code": code, "state": asked["state"]}
    client.get("/auth/callback/gh", params=back, follow_redirects=False)
    return client


def test_a_login(services: Services, github: GitHub) -> None:
    me = log_in(services, github).get("/v1/me").json()
    assert me["name"] == "octocat@example.com"
    assert me["groups"] == ["example-org", "github"]


def test_names_and_groups_as_set(services: Services, github: GitHub) -> None:
    more = {"name_claim": "login", "group_prefix": "gh/", "required_groups": ["example-org"]}
    me = log_in(services, github, **more).get("/v1/me").json()
    assert me["name"] == "octocat"
    assert me["groups"] == ["gh/example-org", "gh/github"]


@pytest.mark.parametrize(("code", "more"), [("bad", {}), ("good", {"required_groups": ["other"]})])
def test_who_is_not_let_in(
    services: Services, github: GitHub, code: str, more: dict[str, Any]
) -> None:
    assert log_in(services, github, code, **more).get("/v1/me").status_code == 401
