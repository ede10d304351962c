"""Health, readiness, metrics, the OpenAPI document and its page."""

from __future__ import annotations

import json
import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from smartypants.api.app import TABLE, create_app
from smartypants.api.services import Readiness
from smartypants.caching.counters import CacheCounters
from smartypants.ledger.database import connect
from tests.api.test_documents import NOTE, upload


def test_health(client, backend):
    backend.parts = {"llm": Readiness(False, "starting")}
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200


def test_ready(client):
    response = client.get("/readyz")
    assert response.status_code == 200
    body = response.json()
    assert body["ready"] is True
    assert body["parts"]["llm"] == {"ready": True, "detail": "up"}
    assert body["parts"]["reranker"]["ready"] is True
    assert "absent" in body["parts"]["reranker"]["detail"]


def test_not_ready(client, backend):
    backend.parts = {"llm": Readiness(False, "starting"), "vectors": Readiness(True, "up")}
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["ready"] is False
    assert response.json()["parts"]["llm"] == {"ready": False, "detail": "starting"}


def samples(client):
    found = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            found[sample.name, *sorted(labels.values())] = sample.value
    return found


def test_metrics_of_requests(client):
    for number in range(3):
        client.get(f"/v1/documents/{number}")
    client.get("/nowhere")
    client.request("BREW", "/v1/search")
    found = samples(client)
    count = "smartypants_http_requests_total"
    assert found[count, "/v1/documents/{document_id}", "404", "GET"] == 3
    assert found[count, "404", "GET", "unmatched"] == 1
    assert found[count, "/v1/search", "405", "OTHER"] == 1
    key = ("smartypants_http_request_seconds_count", "/v1/documents/{document_id}", "404", "GET")
    assert found[key] == 3
    assert found["smartypants_http_requests_in_flight",] == 1  # the scrape itself
    assert all(name.startswith("smartypants_") for name, *_ in found)


def test_metrics_of_the_ledger(client):
    upload(client, NOTE)
    found = samples(client)
    assert found["smartypants_documents", "default", "pending"] == 1
    assert found["smartypants_documents", "default", "failed"] == 0
    assert found["smartypants_jobs", "queued"] == 1
    assert found["smartypants_ledger_up",] == 1


def test_metrics_without_a_ledger(remade, tmp_path):
    client = remade(engine=connect(f"sqlite:///{tmp_path / 'empty.db'}"))
    assert samples(client)["smartypants_ledger_up",] == 0


def test_apps_do_not_share_metrics(services, client):
    client.get("/nowhere")
    other = samples(TestClient(create_app(services)))
    assert ("smartypants_http_requests_total", "404", "GET", "unmatched") not in other


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def test_openapi_is_valid(document):
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")


def test_openapi_has_every_route(document):
    served = {(re.sub(r":\w+}", "}", r.path), r.method.lower()) for r in TABLE}
    documented = {(path, method) for path, item in document["paths"].items() for method in item}
    assert documented == served
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(set(ids)) == len(ids)


def test_openapi_documents_problems(document):
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path != "/readyz":
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}
            expected = {"413", "415", "400", "422"} if "requestBody" in operation else {"422"}
            assert expected <= set(operation["responses"])
    search = document["paths"]["/v1/search"]["post"]["responses"]
    assert "collection_not_found" in search["404"]["description"]
    assert "Retry-After" in search["503"]["headers"]


def test_openapi_schema_names_are_clean(document):
    names = document["components"]["schemas"]
    assert {"SearchRequest", "SearchResponse", "Problem", "Document", "Token"} <= set(names)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in names)


def test_openapi_examples_are_accepted(client, document, services):
    for path, item in document["paths"].items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            continue
        name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        [example] = document["components"]["schemas"][name]["examples"]
        response = client.post(path.replace("prompts/{name}", "prompts/answer"), json=example)
        if path in ("/v1/chat/completions", "/v1/embeddings", "/v1/rerank"):
            assert response.json()["code"] == "model_not_found"  # another is served here
        elif path == "/v1/feedback":
            assert response.json()["code"] == "document_not_found"  # it names one
        elif path.startswith("/v1/keys"):
            # Authentication is off here: nobody is known who could own one.
            assert response.json()["code"] in ("conflict", "api_key_not_found")
        else:
            assert response.status_code < 300, response.text


def test_openapi_documents_what_may_be_sent_again(document):
    def headers(path, method):
        operation = document["paths"][path][method]
        names = {p["name"] for p in operation["parameters"] if p["in"] == "header"}
        return names, set(operation["responses"])

    names, statuses = headers("/v1/conversations/{conversation_id}", "put")
    assert names == {"Idempotency-Key", "If-Match", "X-Request-Id"}
    assert {"409", "412", "422"} <= statuses
    names, statuses = headers("/v1/conversations/{conversation_id}", "get")
    assert names == {"If-None-Match", "X-Request-Id"}
    assert "304" in statuses
    names, _ = headers("/v1/search", "post")
    assert "Idempotency-Key" not in names


def test_openapi_has_the_messages_of_chats(document):
    schemas = document["components"]["schemas"]
    assert {"ChatAsk", "ChatResume", "ChatReady", "ChatEnd", "ChatError"} <= set(schemas)
    assert schemas["ChatToken"]["properties"]["type"]["const"] == "token"


def test_multipart_is_documented(document):
    form = document["components"]["schemas"]["UploadForm"]
    assert form["properties"]["files"]["items"] == {"type": "string", "format": "binary"}


def test_docs_need_no_internet(client):
    page = client.get("/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert not [link for link in links if "//" in link]
    for link in links:
        if not link.startswith("data:"):
            response = client.get(f"/{link}")
            assert response.status_code == 200
            assert len(response.content) > 10_000
    assert json.dumps("openapi.json") in page


def test_metrics_of_what_stands_behind_the_app(remade):
    counters = CacheCounters()
    counters.note("search", "hit")
    client = remade(collectors=counters.collectors)
    assert samples(client)["smartypants_cache_requests_total", "hit", "search"] == 1
