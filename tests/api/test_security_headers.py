"""Every answer carries what browsers have to know, whatever kind of answer it is."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from smartypants.api.security_headers import HEADERS
from smartypants.api.services import Services
from smartypants.auth.settings import AuthSettings
from smartypants.options.serving import HttpSettings

Remade = Callable[..., TestClient]
HSTS = "strict-transport-security"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/search", {"query": "x"}, 200),
        ("POST", "/v1/answers", {"question": "x", "stream": True}, 200),
        ("POST", "/v1/chat/completions", {"messages": [], "model": "x"}, 422),
        ("GET", "/v1/documents", None, 200),
        ("GET", "/v1/documents/none", None, 404),
        ("DELETE", "/v1/search", None, 405),
        ("GET", "/nothing", None, 404),
        ("HEAD", "/healthz", None, 200),
        ("GET", "/metrics", None, 200),
        ("GET", "/auth/login/nobody", None, 404),
    ],
)
def test_every_answer(
    client: TestClient, method: str, path: str, body: object, status: int
) -> None:
    response = client.request(method, path, json=body, follow_redirects=False)
    assert response.status_code == status
    wanted = _lower(HEADERS)
    if "etag" in response.headers:  # a client may keep it, and has to ask whether it still holds
        wanted["cache-control"] = "private, no-cache"
    assert dict(response.headers) | wanted == dict(response.headers)
    assert HSTS not in response.headers


def _lower(headers: object) -> dict[str, str]:
    return {name.lower(): value for name, value in dict(headers).items()}  # type: ignore[call-overload]


def test_an_unforeseen_error(client: TestClient, backend) -> None:  # type: ignore[no-untyped-def]
    backend.error = KeyError("x")
    response = client.post("/v1/search", json={"query": "x"})
    assert response.status_code == 500
    assert _lower(HEADERS).items() <= dict(response.headers).items()


def test_the_page_runs_its_own_scripts_alone(client: TestClient) -> None:
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    [inline] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
    assert not re.findall(r"\son\w+=", page.text)
    for shared in ("/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/openapi.json"):
        assert client.get(shared).headers["cache-control"] == "no-cache"


def test_https_is_kept(services: Services, remade: Remade) -> None:
    auth = AuthSettings(public_url="https://search.example.com")
    behind_a_proxy = remade(settings=services.settings.model_copy(update={"auth": auth}))
    assert behind_a_proxy.get("/healthz").headers[HSTS] == "max-age=31536000"


def test_an_operator_has_the_last_word(services: Services, remade: Remade) -> None:
    http = HttpSettings(
        headers={
            "x-frame-options": "",
            "Content-Security-Policy": "frame-ancestors https://portal.example.com",
            "X-Own": "1",
        }
    )
    client = remade(settings=services.settings.model_copy(update={"http": http}))
    for path in ("/healthz", "/docs"):
        headers = client.get(path).headers
        assert "x-frame-options" not in headers
        assert headers["content-security-policy"] == "frame-ancestors https://portal.example.com"
        assert (headers["x-own"], headers["referrer-policy"]) == ("1", "no-referrer")


@pytest.mark.parametrize("headers", [{"X-A": "1\r\nX-Evil: 2"}, {"X A": "1"}, {"X-A": "é"}])
def test_no_header_can_hold_another(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        HttpSettings(headers=headers)


def test_other_sites_are_told_nothing(client: TestClient) -> None:
    """No CORS header: pages of other sites can't read answers."""
    asked = client.get("/v1/documents", headers={"Origin": "https://evil.example"})
    assert not [name for name in asked.headers if name.startswith("access-control-")]
