"""An app that asks who is there, a real provider of logins, and an issuer that can be faulty."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import Engine
from starlette.testclient import TestClient

from smartypants.api.app import create_app
from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.auth.settings import AuthSettings
from smartypants.ledger import api_keys, users
from tests.api.conftest import backend, ledger_url, model_folder, services  # noqa: F401
from tests.canaries import canary
from tests.ports import free_port
from tests.servers.oidc import OidcServer, oidc_server

AUDIENCE = "urn:smartypants:api"


def required(services: Services, **auth: Any) -> Services:  # noqa: F811
    """The same where everybody has to say who it is."""
    chosen = AuthSettings.model_validate({"mode": "required", **auth})
    return replace(services, settings=services.settings.model_copy(update={"auth": chosen}))


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def key_of(
    engine: Engine, name: str, role: Role = Role.READER, scopes: list[str] | None = None
) -> dict[str, str]:
    """The header of a new user with this role."""
    kind = "service" if role is Role.SERVICE else "person"
    user = users.named_or_none(engine, name) or users.create(engine, name, role=role, kind=kind)
    return bearer(api_keys.create(engine, user, name="test", scopes=scopes)[1].text)


@pytest.fixture
def closed(services: Services) -> Iterator[TestClient]:  # noqa: F811
    """A client of an app that asks who is there."""
    with TestClient(create_app(required(services))) as client:
        yield client


@contextmanager
def served(services: Services, port: int) -> Iterator[str]:  # noqa: F811
    """The app on a port; its URL."""
    config = uvicorn.Config(create_app(services), port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the app did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def app_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def oidc(app_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcServer]:
    """npm's oidc-provider, which sends browsers back to the app's port."""
    log = tmp_path_factory.mktemp("oidc") / "log"
    back = [f"http://127.0.0.1:{app_port}/auth/callback/test"]
    with oidc_server(free_port(), redirect_uris=back, log=log) as server:
        yield server


def new_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@dataclass
class Issuer:
    """Signs whatever it is told to: tokens that no good provider would give."""

    url: str
    keys: list[RSAKey] = field(default_factory=lambda: [new_key("first")])
    fetched: int = 0
    down: bool = False

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        good = {"iss": self.url, "sub": "u1", "aud": AUDIENCE, "iat": now, "exp": now + 300}
        return {key: value for key, value in (good | changes).items() if value is not None}

    def sign(self, claims: dict[str, Any], key: RSAKey | None = None, **header: Any) -> str:
        chosen = key or self.keys[-1]
        head = {"alg": "RS256", "kid": chosen.kid, **header}
        return canary(jwt.encode(head, claims, chosen, algorithms=[head["alg"]]))

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"issuer": self.url, "audience": AUDIENCE, **more}


@pytest.fixture(scope="module")
def _running_issuer() -> Iterator[Issuer]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found: dict[str, Any] = {
                "issuer": issuer.url,
                "authorization_endpoint": f"{issuer.url}/authorize",
                "token_endpoint": f"{issuer.url}/token",
                "jwks_uri": f"{issuer.url}/keys",
            }
            if self.path == "/keys":
                issuer.fetched += 1
                found = KeySet(list(issuer.keys)).as_dict(private=False)  # type: ignore[assignment]
            self.send_response(503 if issuer.down else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield issuer
    server.shutdown()
    server.server_close()


@pytest.fixture
def issuer(_running_issuer: Issuer) -> Issuer:
    """As good as new."""
    _running_issuer.fetched, _running_issuer.down = 0, False
    del _running_issuer.keys[1:]
    return _running_issuer
