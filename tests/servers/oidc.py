"""A real OpenID Connect provider of the test session: npm's oidc-provider."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx

from smartypants.processes import command_that_dies_with_us
from tests.canaries import canary

START_TIMEOUT_S = 60.0
HERE = Path(__file__).parent
CLIENT_ID = "smartypants"
CLIENT_SECRET = canary("of-the-tests-alone")
RESOURCE = "urn:smartypants:api"
USERS = {
    "ann": {
        "email": "Ann@example.com",
        "email_verified": True,
        "name": "Ann",
        "groups": ["staff", "legal"],
    },
    "bob": {"email": "bob@example.com", "email_verified": True, "name": "Bob", "groups": ["staff"]},
    "eve": {"email": "ann@example.com", "email_verified": False, "name": "Eve", "groups": []},
}


@dataclass(frozen=True, slots=True)
class OidcServer:
    """Where it answers."""

    issuer: str

    def log_in(self, browser: httpx.Client, start: str, user: str) -> httpx.Response:
        """Follow a login from `start` through the provider's pages and back to the first
        response that is not the provider's; the browser has its cookies then."""
        response = browser.get(start)
        for _ in range(20):
            if response.is_redirect:
                target = urljoin(str(response.url), response.headers["Location"])
                if not target.startswith(self.issuer) and "/auth/callback/" not in target:
                    return response
                response = browser.get(target)
            elif str(response.url).startswith(self.issuer):
                form = re.search(r'action="([^"]+)"', response.text)
                assert form, response.text
                prompt = "login" if 'name="login"' in response.text else "consent"
                data = {"prompt": prompt, "login": user, "password": "any"}
                response = browser.post(urljoin(str(response.url), form[1]), data=data)
            else:
                return response
        raise AssertionError("the login goes round in circles")

    def machine_token(self) -> str:
        """An access token for our API, of the client itself."""
        response = httpx.post(
            f"{self.issuer}/token",
            auth=(CLIENT_ID, CLIENT_SECRET),
            data={"grant_type": "client_credentials", "resource": RESOURCE, "scope": "api"},
        )
        token: str = response.raise_for_status().json()["access_token"]
        return canary(token)


@contextmanager
def oidc_server(port: int, *, redirect_uris: list[str], log: Path) -> Iterator[OidcServer]:
    """Start it on a port; it ends with the block, or with this process."""
    node = shutil.which("node")
    assert node, "oidc-provider needs Node.js: install node and npm, then run `make servers`"
    assert (HERE / "node_modules/oidc-provider").exists(), "run `make servers` (it needs npm)"
    settings = {
        "port": port,
        "users": USERS,
        "client": {"id": CLIENT_ID, "secret": CLIENT_SECRET, "redirect_uris": redirect_uris},
        "resource": RESOURCE,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command_that_dies_with_us(node, str(HERE / "oidc.mjs")),
            env={**os.environ, "OIDC_SETTINGS": json.dumps(settings)},
            stdout=output,
            stderr=output,
        )
    issuer = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with suppress(httpx.HTTPError):
                httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status()
                break
            assert process.poll() is None, f"the provider ended: {log.read_text()}"
            assert time.monotonic() < deadline, f"no answer: {log.read_text()}"
            time.sleep(0.1)
        yield OidcServer(issuer)
    finally:
        process.kill()
        process.wait()
