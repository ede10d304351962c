"""What each route asks of its callers: nothing is open that does not say so."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

from smartypants.api.app import TABLE, create_app
from smartypants.api.routing import AnyRoute
from smartypants.api.services import Services
from smartypants.auth.roles import PERMISSIONS, Permission, Role
from smartypants.auth.settings import AuthSettings
from smartypants.ledger import api_keys, collections, grants, jobs, users
from tests.api.conftest import LLM
from tests.auth.conftest import bearer, key_of, required

OPEN = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/auth/issuers"),
    ("GET", "/auth/login/{issuer}"), ("GET", "/auth/callback/{issuer}"),
}  # fmt: skip
DOCS = {"/openapi.json", "/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/search": {"query": "x"},
    "/v1/answers": {"question": "x"},
    "/v1/documents": {"documents": [{"name": "a.md", "text": "x"}]},
    "/v1/collections": {"name": "a"},
    "/v1/feedback": {"query": "x", "document_id": "d", "relevant": True},
    "/v1/chat/completions": {"model": LLM, "messages": [{"role": "user", "content": "x"}]},
    "/v1/embeddings": {"model": "m", "input": "x"},
    "/v1/rerank": {"model": "m", "query": "x", "documents": ["y"]},
    "/v1/keys": {"name": "k"},
    "/v1/users": {"name": "new"},
    "/v1/grants": {"collection": "a", "principal": "public", "role": "reader"},
}


def ask(client: TestClient, route: AnyRoute, headers: dict[str, str], **fields: str) -> Any:
    path = re.sub(r"{(\w+)(:path)?}", lambda m: fields.get(m[1], "nothing"), route.path)
    body = BODIES.get(route.path, {} if route.body.contents else None)
    if "collection" in fields and body and route.path != "/v1/grants":
        key = "name" if route.path == "/v1/collections" else "collection"
        body = body | {key: fields["collection"]}
    return client.request(route.method, path, json=body, headers=headers)


def test_every_route_is_in_the_table_and_says_what_it_needs(closed: TestClient) -> None:
    app: Any = closed.app
    served = {route.path for route in app.routes if isinstance(route, Route)}
    assert served == {route.path for route in TABLE} | DOCS
    [socket] = {route.path for route in app.routes if isinstance(route, WebSocketRoute)}
    assert socket == "/v1/chat"
    assert len(app.routes) == len(served) + 1
    nothing = {(r.method, r.path) for r in TABLE if r.permission is Permission.NOTHING}
    assert nothing == OPEN


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_gets_in_without_saying_who(closed: TestClient, route: AnyRoute) -> None:
    for headers in (
        {},
        bearer("sp_" + "0" * 16 + "_" + "A" * 43),
        bearer("x"),
        {"Authorization": "Basic YTpi"},
        {"Cookie": "smartypants_session=abc"},
    ):
        response = ask(closed, route, headers)
        if (route.method, route.path) in OPEN:
            assert response.status_code != 401 or response.json()["code"] == "login_failed"
            continue
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="smartypants"')
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", Role)
def test_roles(closed: TestClient, services: Services, role: Role) -> None:
    """403 exactly where the role lacks what the route needs."""
    scopes = [str(each) for each in PERMISSIONS[role]] if role is Role.SERVICE else None
    headers = key_of(services.engine, "someone", role, scopes)
    for route in TABLE:
        if route.path in ("/auth/logout", "/auth/callback/{issuer}"):
            continue
        response = ask(closed, route, headers)
        allowed = route.permission in PERMISSIONS[role] | {Permission.NOTHING}
        refused = response.status_code == 403
        assert refused != allowed, (route.method, route.path, response.text)


@pytest.mark.parametrize("scope", sorted(set(Permission) - {Permission.NOTHING}))
def test_scopes(closed: TestClient, services: Services, scope: str) -> None:
    headers = key_of(services.engine, "root", Role.ADMIN, [scope])
    for route in TABLE:
        if route.permission is Permission.NOTHING or route.path == "/auth/logout":
            continue
        response = ask(closed, route, headers)
        if route.permission != scope:
            assert response.status_code == 403, (route.path, response.text)
        elif route.path != "/v1/documents":  # a new collection needs another scope
            assert response.status_code != 403, (route.path, response.text)


@pytest.mark.parametrize("role", [Role.NONE, Role.READER, Role.EDITOR])
@pytest.mark.parametrize("granted", [None, Role.READER, Role.EDITOR])
def test_a_hidden_collection_is_as_one_that_is_not_there(
    services: Services, closed: TestClient, role: Role, granted: Role | None
) -> None:
    """Whatever is asked, by whoever is not in it: the same answer, but for the name."""
    engine = services.engine
    for name in ("hidden", "given"):
        collections.ensure(engine, name, embedding_model="m", dimension=3)
    grants.give(engine, "hidden", "user:boss", Role.EDITOR)
    if granted is not None:
        grants.give(engine, "given", "user:someone", granted)
    headers = key_of(engine, "someone", role)
    jobs.submit(engine, "ingest", "hidden", {}, job_id="j" * 32)

    def answers(name: str) -> list[tuple[str, int, Any]]:
        found = []
        for route in TABLE:
            if route.method == "POST" and route.path in ("/v1/collections", "/v1/documents"):
                continue  # they make one
            asks = route.path.startswith("/v1/collections/") or "collection" in str(route.body)
            if route.collection is None and not asks:
                continue
            response = ask(closed, route, headers, collection=name, name=name)
            body = response.json() if response.content else None
            if isinstance(body, dict):
                body.pop("request_id", None)
            if response.status_code != 200:
                found.append((route.path, response.status_code, str(body).replace(name, "NAME")))
        return found

    if role is not Role.NONE or granted is not None:
        # What stands behind these two here finds something in any collection.
        searches = ("/v1/search", "/v1/answers")
        missing, hidden = answers("missing"), answers("hidden")
        assert [a for a in hidden if a[0] not in searches] == [
            a for a in missing if a[0] not in searches
        ]
        assert [a[1] for a in hidden if a[0] in searches] == [404, 404]
    listed = closed.get("/v1/collections", headers=headers)
    if listed.status_code == 200:
        names = {row["name"] for row in listed.json()["collections"]}
        assert "hidden" not in names
    assert closed.get(f"/v1/jobs/{'j' * 32}", headers=headers).status_code in (403, 404)
    if role is Role.EDITOR:
        made = ask(closed, _route("POST", "/v1/documents"), headers, collection="hidden")
        assert (made.status_code, made.json()["code"]) == (404, "collection_not_found")


def _route(method: str, path: str) -> AnyRoute:
    return next(route for route in TABLE if (route.method, route.path) == (method, path))


def test_what_a_search_is_given(services: Services, backend: Any, closed: TestClient) -> None:
    engine = services.engine
    grants.give(engine, "hidden", "user:boss", Role.EDITOR)
    headers = key_of(engine, "ann")
    assert closed.post("/v1/search", json={"query": "x"}, headers=headers).status_code == 200
    [query] = backend.queries
    assert query.principals == ("public", "user:ann")
    assert not query.reach.has("hidden")
    assert query.reach.has("default")


def test_readiness_tells_strangers_no_details(services: Services, closed: TestClient) -> None:
    assert closed.get("/readyz").json()["parts"]["llm"] == {"ready": True, "detail": ""}
    headers = key_of(services.engine, "root", Role.ADMIN)
    parts = closed.get("/readyz", headers=headers).json()["parts"]
    assert parts["llm"] == {"ready": True, "detail": "up"}
    assert closed.get("/metrics").status_code == 401


def test_open_mode_says_so(services: Services) -> None:
    client = TestClient(create_app(services))
    [warning] = client.get("/readyz").json()["warnings"]
    assert "Authentication is off" in warning
    # Clients that send a key because they have to are let in as everybody is.
    me = client.get("/v1/me", headers=bearer("sk-unused")).json()
    assert (me["name"], me["role"], me["principals"]) == ("local", "admin", ["public"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_pages_of_other_sites_are_not_trusted_in_open_mode(
    services: Services, backend: Any, headers: dict[str, str]
) -> None:
    """A page that somebody visits on this machine reaches the port, too."""
    client = TestClient(create_app(services))
    files = [("files", ("a.md", b"words", "text/markdown"))]
    assert client.post("/v1/documents", files=files, headers=headers).status_code == 403
    assert client.post("/v1/search", json={"query": "x"}, headers=headers).status_code == 403
    read = client.get("/v1/documents", headers=headers).status_code
    assert read == (403 if "Host" in headers else 200)  # without CORS no page gets to see it
    assert client.get("/healthz", headers=headers).status_code == 200
    assert backend.queries == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "search.localhost", "smartypants", ""]
)
def test_our_own_pages_are_in_open_mode(services: Services, host: str) -> None:
    client = TestClient(create_app(services))
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    if not host:
        headers = {"Host": host}
    assert client.post("/v1/search", json={"query": "x"}, headers=headers).status_code == 200


def test_a_public_name_in_open_mode(services: Services) -> None:
    auth = AuthSettings(public_url="https://search.example.com")
    settings = services.settings.model_copy(update={"auth": auth})
    client = TestClient(create_app(replace(services, settings=settings)))
    headers = {"Host": "search.example.com", "Origin": "https://search.example.com"}
    assert client.post("/v1/search", json={"query": "x"}, headers=headers).status_code == 200


def test_uploads_keep_their_readers(services: Services, closed: TestClient) -> None:
    engine = services.engine
    ann, bob = (key_of(engine, name, Role.EDITOR) for name in ("ann", "bob"))

    def upload(headers: dict[str, str], text: str, **more: Any) -> int:
        body = {"documents": [{"name": "a.md", "text": text}], **more}
        status: int = closed.post("/v1/documents", json=body, headers=headers).status_code
        return status

    def readers() -> tuple[int, ...]:
        return tuple(
            len(closed.get("/v1/documents", headers=each).json()["documents"])
            for each in (ann, bob)
        )

    assert upload(ann, "1", principals=["ann"]) == 422
    assert upload(ann, "1", principals=["user:ann"]) == 202
    assert readers() == (1, 0)
    assert upload(ann, "2") == 202
    assert readers() == (1, 0)
    assert upload(bob, "3") == 409  # or bob could let himself in
    assert upload(bob, "3", principals=["user:bob"]) == 409
    assert upload(ann, "2", principals=["public"]) == 202
    assert readers() == (1, 1)


def test_jobs_are_for_those_who_have_to_do_with_them(
    services: Services, closed: TestClient
) -> None:
    engine = services.engine
    ann, bob, eve = (key_of(engine, name, Role.EDITOR) for name in ("ann", "bob", "eve"))
    body = {"documents": [{"name": "a.md", "text": "x"}]}
    job = closed.post("/v1/documents", json=body, headers=ann).json()["job_id"]

    def seen(headers: dict[str, str]) -> tuple[int, int]:
        listed = closed.get("/v1/jobs", headers=headers).json()["jobs"]
        return closed.get(f"/v1/jobs/{job}", headers=headers).status_code, len(listed)

    assert seen(bob) == (200, 1)  # an editor of it too
    users.change(engine, "bob", role=Role.READER)
    users.change(engine, "ann", role=Role.READER)
    assert seen(bob) == (404, 0)
    assert seen(ann) == (200, 1)  # she submitted it
    assert closed.post(f"/v1/jobs/{job}/cancel", headers=ann).status_code == 403
    for name in (job, "unknown"):  # a reader is told no more of the one than of the other
        assert closed.post(f"/v1/jobs/{name}/cancel", headers=bob).status_code == 403
    grants.give(engine, "default", "user:bob", Role.EDITOR)
    assert seen(ann) == (404, 0)
    assert seen(bob) == (200, 1)
    assert seen(eve) == (404, 0)
    assert closed.post(f"/v1/jobs/{job}/cancel", headers=bob).status_code == 200


def test_counts_are_of_what_one_may_read(services: Services, closed: TestClient) -> None:
    engine = services.engine
    ann, bob = key_of(engine, "ann", Role.EDITOR), key_of(engine, "bob")
    for name, principals in (("a.md", ["user:ann"]), ("b.md", ["public"])):
        body = {"documents": [{"name": name, "text": "x"}], "principals": principals}
        assert closed.post("/v1/documents", json=body, headers=ann).status_code == 202

    def pending(headers: dict[str, str]) -> int:
        [found] = closed.get("/v1/collections", headers=headers).json()["collections"]
        again = closed.get("/v1/collections/default", headers=headers).json()
        assert again == found
        count: int = found["documents"]["pending"]
        return count

    assert (pending(ann), pending(bob)) == (2, 1)


def test_keys_over_http(services: Services, closed: TestClient) -> None:
    engine = services.engine
    ann, bob = key_of(engine, "ann"), key_of(engine, "bob")
    root = key_of(engine, "root", Role.ADMIN)
    made = closed.post("/v1/keys", json={"name": "k", "scopes": ["account"]}, headers=ann).json()
    own = bearer(made["key"])
    assert closed.get("/v1/me", headers=own).json()["permissions"] == ["account"]
    assert closed.post("/v1/search", json={"query": "x"}, headers=own).status_code == 403

    def create(headers: dict[str, str], **body: Any) -> int:
        response = closed.post("/v1/keys", json={"name": "k", **body}, headers=headers)
        status: int = response.status_code
        return status

    assert create(own) == 201  # with the same scope
    assert create(own, scopes=["documents:read"]) == 403
    assert create(ann, user="bob") == 403
    assert create(root, user="bob") == 201
    assert create(root, user="nobody") == 404
    assert create(ann, scopes=["all"]) == 422
    listed = closed.get("/v1/keys", headers=own).json()["keys"]
    assert {key["user"] for key in listed} == {"ann"}
    assert [key["scopes"] for key in listed][:2] == [["account"]] * 2
    assert made["key"] not in str(listed)
    path = f"/v1/keys/{made['id']}"
    assert closed.delete(path, headers=bob).status_code == 404
    rotated = closed.post(f"{path}/rotate", json={"overlap_hours": 0}, headers=own).json()
    assert closed.get("/v1/me", headers=own).status_code == 401
    assert closed.get("/v1/me", headers=bearer(rotated["key"])).status_code == 200
    gone = closed.delete(f"/v1/keys/{rotated['id']}", headers=root)
    assert gone.json()["revoked_at"]
    assert closed.get("/v1/me", headers=bearer(rotated["key"])).status_code == 401


def test_an_expired_key(services: Services, closed: TestClient) -> None:
    user = users.create(services.engine, "ann", role=Role.READER)
    _, secret = api_keys.create(services.engine, user, name="k", expires_at=1.0)
    assert closed.get("/v1/me", headers=bearer(secret.text)).status_code == 401


def test_people_over_http(services: Services, closed: TestClient) -> None:
    root = key_of(services.engine, "root", Role.ADMIN)
    ann = key_of(services.engine, "ann@x.org")

    def put(path: str, body: dict[str, Any]) -> int:
        status: int = closed.put(path, json=body, headers=root).status_code
        return status

    assert put("/v1/groups/eng/backend", {"members": ["ann@x.org"]}) == 200
    assert put("/v1/groups/eng/backend", {"members": ["nobody"]}) == 404
    assert closed.get("/v1/me", headers=ann).json()["groups"] == ["eng/backend"]
    assert put("/v1/users/ann@x.org", {"role": "editor"}) == 200
    assert put("/v1/users/ann@x.org", {"role": "service"}) == 422
    assert closed.get("/v1/me", headers=ann).json()["role"] == "editor"
    grant = {"collection": "a", "principal": "group:eng/backend", "role": "reader"}
    assert put("/v1/grants", grant) == 200
    assert closed.get("/v1/me", headers=ann).json()["collections"] == {"a": "reader"}
    where = {"collection": "a", "principal": "group:eng/backend"}
    assert closed.delete("/v1/grants", params=where, headers=root).status_code == 204
    assert closed.delete("/v1/groups/eng/backend", headers=root).status_code == 204
    assert closed.get("/v1/me", headers=ann).json()["groups"] == []
    assert put("/v1/users/ann@x.org", {"disabled": True}) == 200
    assert closed.get("/v1/me", headers=ann).status_code == 401
    names = [row["name"] for row in closed.get("/v1/users", headers=root).json()["users"]]
    assert names == ["ann@x.org", "root"]


def test_prompts_do_not_tell_of_hidden_collections(services: Services, closed: TestClient) -> None:
    collections.ensure(services.engine, "hidden", embedding_model="m", dimension=3)
    grants.give(services.engine, "hidden", "user:boss", Role.EDITOR)
    ann = key_of(services.engine, "ann", Role.EDITOR)
    message = {"role": "user", "content": "{{ question }} {{ passages }}"}
    bodies = {
        "": {"name": "answer", "messages": [message]},
        "/answer/preview": {"question": "x"},
        "/answer/activate": {"versions": [{"version": "default", "share": 1}]},
        "/answer/rollback": {},
    }

    def told(name: str) -> list[tuple[int, str, str]]:
        named = {"collection": name}
        answers = [
            closed.get(f"/v1/prompts{path}", params=named, headers=ann) for path in ("", "/answer")
        ] + [
            closed.post(f"/v1/prompts{path}", json=body | named, headers=ann)
            for path, body in bodies.items()
        ]
        problems = [(each.status_code, each.json()) for each in answers]
        return [
            (status, said["detail"].replace(name, ""), said["hint"]) for status, said in problems
        ]

    assert told("hidden") == told("nowhere")
    assert {status for status, *_ in told("nowhere")} == {404}
    assert "hidden" not in str(told("nowhere"))


def test_another_process_changes_what_counts(services: Services, closed: TestClient) -> None:
    """Each app remembers callers; what one changes counts in the others at once."""
    other = TestClient(create_app(required(services)))
    root, ann = key_of(services.engine, "root", Role.ADMIN), key_of(services.engine, "ann")
    for client in (closed, other):
        assert client.get("/v1/me", headers=ann).json()["role"] == "reader"
    closed.put("/v1/users/ann", json={"role": "editor"}, headers=root)
    for client in (closed, other):
        assert client.get("/v1/me", headers=ann).json()["role"] == "editor"
