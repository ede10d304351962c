"""The whole system as the README starts it, through its command line and its real HTTP port."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from deployments.cli import app
from smartypants.llms.openai import OpenAILLM
from smartypants.types import Message, SamplingParams
from tests.api.chat.client import chat, text
from tests.conftest import SMOLLM
from tests.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[1]
HANDBOOK = ROOT / "examples" / "handbook"
QUESTIONS = json.loads((ROOT / "examples" / "questions.json").read_text())
REPLICAS = 2
HAPROXY_STATISTICS = 404
"""Added to the HTTP port."""
UPLOADS = {"limit": 1, "per_s": 86_400, "burst": 10}
"""More than all other tests upload; none comes back while they run."""


@dataclass(frozen=True)
class System:
    """A running system."""

    url: str
    environment: dict[str, str]

    def run(self, *arguments: str, status: int = 0, **extra: str) -> Any:
        """What a command prints as JSON, in this process: it starts much sooner."""
        done = CliRunner().invoke(app, [*arguments, "--json"], env=self.environment | extra)
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    def run_apart(self, *arguments: str, status: int = 0, **extra: str) -> Any:
        """The same in a process of its own, as users run it."""
        done = subprocess.run(
            [sys.executable, "-m", "deployments.cli", *arguments, "--json"],
            env=self.environment | extra,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    def post(self, path: str, **kwargs: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=120, **kwargs)

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60, **kwargs)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, smollm: Path) -> Iterator[System]:
    folder, port = tmp_path_factory.mktemp("e2e"), free_port()
    # It is converted already, which tests/test_models.py looks at.
    (folder / "models").mkdir()
    (folder / "models" / smollm.name).symlink_to(smollm)
    environment = os.environ | {
        "SMARTYPANTS_DATA_DIR": str(folder),
        "SMARTYPANTS_HTTP__PORT": str(port),
        "SMARTYPANTS_VECTORS__EMBEDDED_PORT": str(free_port()),
        "SMARTYPANTS_SERVE__INGRESS__MIN_REPLICAS": str(REPLICAS),
        "SMARTYPANTS_LIMITS__USERS": json.dumps({"local": {"documents": UPLOADS}}),
    }
    system = System(f"http://127.0.0.1:{port}", environment)
    try:
        with socket.create_server(("127.0.0.1", port + HAPROXY_STATISTICS)):  # it takes another
            assert system.run_apart("up", "--detach")["url"] == system.url
        system.run_apart("ingest", str(HANDBOOK), "--wait")
        yield system
    finally:
        assert system.run_apart("down") == {"stopped": True}
    with pytest.raises(httpx.ConnectError):
        system.get("/healthz")


def test_ingested_all_and_again_nothing(system: System) -> None:
    again = system.run("ingest", str(HANDBOOK), "--wait")["jobs"][0]
    assert again["state"] == "succeeded"
    count = len(list(HANDBOOK.iterdir()))
    assert (again["progress"]["unchanged"], again["progress"]["chunks"]) == (count, 0)
    [collection] = system.get("/v1/collections").json()["collections"]
    assert collection["documents"]["indexed"] == count


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["question"])
def test_search_finds_the_passage_that_answers(
    system: System, question: dict[str, str | None]
) -> None:
    found = system.post("/v1/search", json={"query": question["question"], "top_k": 5}).json()
    texts = [" ".join(hit["text"].split()) for hit in found["hits"]]
    if question["phrase"] is None:
        assert not any("1998" in text for text in texts)
        return
    assert any(" ".join(question["phrase"].split()) in text for text in texts)
    assert found["skipped"]["rerank"] == "no reranker is configured"


def test_search_and_status_commands(system: System) -> None:
    hits = system.run_apart("search", "how long is the warranty", "--top-k", "2")["hits"]
    assert len(hits) == 2
    assert "36 months" in hits[0]["text"] + hits[1]["text"]
    assert all(part["ready"] for part in system.run("status")["readiness"]["parts"].values())
    assert system.run("jobs")["jobs"][0]["state"] == "succeeded"
    assert all(check["ok"] for check in system.run("doctor")["checks"])


def test_answer_streams_and_cites_the_exact_passage(system: System) -> None:
    body = {"question": "How long does the warranty of a buoy last?", "stream": True}
    events: list[tuple[str, Any]] = []
    with httpx.stream("POST", f"{system.url}/v1/answers", json=body, timeout=120) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in response.iter_lines():
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                events.append((name, json.loads(line[5:])))
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "hits"
    assert kinds[-1] == "answer"
    assert kinds.count("token") > 5
    whole = events[-1][1]
    streamed = "".join(data["text"] for kind, data in events if kind == "token")
    assert streamed.strip() == whole["answer"]
    assert whole["usage"]["completion_tokens"] > 5
    for citation in whole["citations"]:
        assert f"[{citation['number']}]" in whole["answer"]
        text = system.get(f"/v1/documents/{citation['document_id']}?include=text").json()["text"]
        assert text[citation["start"] : citation["end"]] == citation["passage"]
    assert whole["citations"], whole["answer"]


def test_chat_over_a_lost_connection(system: System) -> None:
    """Through the ingress that `up` starts: a follow-up, a resumed turn, and a cancelled one."""
    with chat(system.url) as client:
        client.ask("How long does the warranty of a buoy last?")
        first = client.hear_until("end", timeout=120)
        result = first[-1]["result"]
        assert text(first).strip() == result["answer"]
        assert (result["state"], result["withheld"]) == ("finished", False)
        assert result["citations"], result
        own = {"conversation": first[0]["conversation"]}
        client.ask("And how is it claimed?", **own, cache=False)
        before = [client.hear(120)]
        while before[-1]["type"] != "token":
            before.append(client.hear(120))
    with chat(system.url) as client:
        client.send("resume", **own, after=before[-1]["seq"])
        heard = before + client.hear_until("end", timeout=120)
        assert [message["seq"] for message in heard] == list(range(1, len(heard) + 1))
        assert heard[-1]["result"]["state"] == "finished"
        assert text(heard).strip() == heard[-1]["result"]["answer"]
        client.ask("Tell everything about buoys.", **own, max_tokens=400, cache=False)
        while client.hear(120)["type"] != "token":
            pass
        client.send("cancel", **own)
        assert client.hear_until("end", timeout=30)[-1]["result"]["state"] == "cancelled"
    kept = system.get(f"/v1/conversations/{own['conversation']}").json()
    states = [turn["state"] for turn in kept["turns"]]
    assert states == ["finished", "finished", "cancelled"]
    assert kept["turns"][0] == result
    assert system.get("/v1/conversations").json()["conversations"][0]["id"] == kept["id"]


def test_question_about_nothing_here_is_not_answered(system: System) -> None:
    answered = system.run("ask", "Which team won the football world cup in 1998?")
    assert answered["found"] is False
    assert answered["citations"] == []
    assert answered["usage"]["completion_tokens"] == 0


def test_uploaded_replaced_and_deleted_document(system: System) -> None:
    def upload(text: str) -> str:
        accepted = system.post(
            "/v1/documents",
            json={"collection": "notes", "documents": [{"name": "canteen.md", "text": text}]},
        )
        assert accepted.status_code == 202, accepted.text
        job = accepted.headers["location"]
        deadline = time.monotonic() + 240
        while (state := system.get(job).json()["state"]) not in ("succeeded", "failed"):
            assert time.monotonic() < deadline, "the job does not end"
            time.sleep(0.5)
        assert state == "succeeded"
        document_id: str = accepted.json()["documents"][0]["id"]
        return document_id

    def texts() -> list[str]:
        body = {"collection": "notes", "query": "when does the canteen open"}
        return [hit["text"] for hit in system.post("/v1/search", json=body).json()["hits"]]

    document_id = upload("# Canteen\n\nThe canteen opens at 11:30.")
    assert texts() == ["# Canteen\n\nThe canteen opens at 11:30."]
    assert upload("# Canteen\n\nThe canteen opens at noon.") == document_id
    assert texts() == ["# Canteen\n\nThe canteen opens at noon."]
    assert httpx.delete(f"{system.url}/v1/documents/{document_id}").status_code == 204
    assert texts() == []
    assert system.get(f"/v1/documents/{document_id}").json()["code"] == "document_not_found"


def test_openai_client_works_unmodified(system: System) -> None:
    client = openai.OpenAI(base_url=f"{system.url}/v1", api_key="unused")
    models = [model.id for model in client.models.list()]
    assert SMOLLM in models
    messages: Any = [{"role": "user", "content": "What is the capital of France?"}]
    whole = client.chat.completions.create(
        model=SMOLLM, messages=messages, max_tokens=24, temperature=0
    )
    streamed = client.chat.completions.create(
        model=SMOLLM, messages=messages, max_tokens=24, temperature=0, stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
    assert "Paris" in text
    assert text == whole.choices[0].message.content
    vectors = client.embeddings.create(
        model="sentence-transformers/all-MiniLM-L6-v2", input=["a buoy", "a float", "a tax"]
    ).data
    first, second, third = (item.embedding for item in vectors)
    assert len(first) == 384
    assert _dot(first, second) > _dot(first, third)
    with pytest.raises(openai.NotFoundError, match="nobody"):
        client.chat.completions.create(model="nobody", messages=messages)


def _dot(left: list[float], right: list[float]) -> float:
    return sum(x * y for x, y in zip(left, right, strict=True))


def test_our_own_route_serves_the_http_provider(system: System) -> None:
    async def generate() -> tuple[str, int]:
        llm = OpenAILLM(SMOLLM, api_base=f"{system.url}/v1")
        deltas = [
            delta
            async for delta in llm.generate(
                [Message("user", "What is the capital of France?")],
                SamplingParams(max_tokens=24),
                request_id="e2e",
            )
        ]
        await llm.close()
        return "".join(delta.text for delta in deltas), deltas[-1].completion_tokens

    text, tokens = asyncio.run(generate())
    assert "Paris" in text
    assert tokens > 0


def test_reader_that_leaves_frees_the_slot(system: System) -> None:
    body = {
        "model": SMOLLM,
        "messages": [{"role": "user", "content": "Write a very long story."}],
        "max_tokens": 1500,
        "stream": True,
    }
    for _ in range(20):  # more than the engine runs at once
        with httpx.stream(
            "POST", f"{system.url}/v1/chat/completions", json=body, timeout=120
        ) as response:
            next(response.iter_lines())
    started = time.monotonic()
    short = {**body, "max_tokens": 4, "stream": False}
    assert system.post("/v1/chat/completions", json=short).status_code == 200
    # Twenty stories of 1,500 tokens would keep the engine busy for minutes.
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("path", "request_", "status", "code"),
    [
        ("/v1/search", {"content": b"{"}, 400, "invalid_request"),
        ("/v1/search", {"json": {"query": "x", "top_k": 0}}, 422, "validation_failed"),
        ("/v1/search", {"json": {"query": "x", "top_k": 10**6}}, 422, "validation_failed"),
        ("/v1/search", {"json": {"query": ""}}, 422, "validation_failed"),
        ("/v1/search", {"json": {"query": "y" * 100_000}}, 422, "validation_failed"),
        ("/v1/search", {"json": {"query": "x", "colour": 1}}, 422, "validation_failed"),
        ("/v1/search", {"json": {"query": "x", "collection": "no"}}, 404, "collection_not_found"),
        ("/v1/search", {"data": {"query": "x"}}, 415, "unsupported_media_type"),
        ("/v1/answers", {"json": {"question": " "}}, 422, "validation_failed"),
    ],
)
def test_bad_input_is_a_problem(
    system: System, path: str, request_: dict[str, Any], status: int, code: str
) -> None:
    if "content" in request_:
        request_ = {**request_, "headers": {"content-type": "application/json"}}
    answered = system.post(path, **request_)
    assert answered.status_code == status, answered.text
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json()["code"] == code
    assert answered.json()["request_id"] == answered.headers["x-request-id"]


def test_body_over_the_limit_is_refused_and_the_system_lives(system: System) -> None:
    with pytest.raises((httpx.HTTPStatusError, httpx.WriteError, httpx.RemoteProtocolError)):
        system.post("/v1/documents", files={"files": b"x" * (65 * 2**20)}).raise_for_status()
    assert system.get("/healthz").status_code == 200


def test_what_operators_look_at(system: System) -> None:
    assert system.get("/readyz").json()["parts"]["reranker"]["detail"].startswith("absent")
    assert "smartypants_" in system.get("/metrics").text
    assert system.get("/openapi.json").json()["openapi"].startswith("3.1")
    assert "<html" in system.get("/docs").text.lower()


def test_errors_of_the_commands(system: System, tmp_path: Path) -> None:
    def error(*arguments: str, **extra: str) -> str:
        run = system.run_apart if arguments[0] == "up" else system.run
        code: str = run(*arguments, status=1, **extra)["error"]["code"]
        return code

    elsewhere = {"SMARTYPANTS_DATA_DIR": str(tmp_path)}
    assert error("up", **elsewhere) == "port_taken"
    assert error("search", "x", **elsewhere) == "not_running"
    assert error("search", "x", "--collection", "nope") == "collection_not_found"
    assert error("ingest", str(tmp_path / "nowhere")) == "invalid_request"
    assert (
        error("up", SMARTYPANTS_EMBEDDER__MODEL=str(tmp_path), **elsewhere)
        == "model_files_not_found"
    )
    assert system.run_apart("up", "--detach")["url"] == system.url  # it is up: nothing to do


def _answered(system: System, route: str) -> dict[float, Counter[str]]:
    """Answers of a route by status, as each replica of the ingress counts its own."""
    found: dict[float, Counter[str]] = {}
    deadline = time.monotonic() + 60
    while len(found) < REPLICAS:
        assert time.monotonic() < deadline, "one replica answers everything"
        families = text_string_to_metric_families(system.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        [started] = [s.value for s in samples if s.name == "smartypants_process_start_time_seconds"]
        found[started] = Counter(
            {
                s.labels["status"]: int(s.value)
                for s in samples
                if s.name == "smartypants_http_requests_total" and s.labels["route"] == route
            }
        )
    return found


def _more(after: dict[float, Counter[str]], before: dict[float, Counter[str]]) -> list[int]:
    return [(counts - before[replica]).total() for replica, counts in after.items()]


def _used(system: System, route: str) -> Counter[str]:
    """What was used of a route, once nothing is being written any more."""
    asked = {"group_by": "user,route", "route": route}
    former: list[Any] = [{}]
    while True:
        rows = system.get("/v1/usage", params=asked).json()["usage"]
        if rows == former:
            return Counter({k: v for k, v in rows[0].items() if isinstance(v, int)} if rows else {})
        former = rows
        time.sleep(1.5)


def _at_once(count: int, ask: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(ask, range(count)))


def test_replicas_count_on_one_account(system: System) -> None:
    models, completions = "/v1/models", "/v1/chat/completions"
    before, used = _answered(system, models), {r: _used(system, r) for r in (models, completions)}
    assert all(each.status_code == 200 for each in _at_once(60, lambda _: system.get(models)))

    def complete(number: int) -> httpx.Response:
        messages = [{"role": "user", "content": f"Say {'hello ' * number}."}]
        return system.post(
            completions, json={"model": SMOLLM, "messages": messages, "max_tokens": 6}
        )

    whole = [answer.json()["usage"] for answer in _at_once(6, complete)]
    assert all(_more(_answered(system, models), before)), "one replica answered everything"
    more = _used(system, models) - used[models]
    assert more == {"requests": 60}
    more = _used(system, completions) - used[completions]
    assert (more["requests"], more["calls"]) == (6, 6)
    for tokens in ("prompt_tokens", "completion_tokens"):
        assert more[tokens] == sum(usage[tokens] for usage in whole) > 0


def test_replicas_share_a_limit_to_the_last_unit(system: System) -> None:
    def left() -> int:
        fields = system.get("/v1/models").headers["RateLimit"]
        return int(re.search(r'"user-documents";r=(\d+)', fields)[1])  # type: ignore[index]

    def upload(number: int) -> httpx.Response:
        document = {"name": f"{number}.md", "text": f"Note {number}."}
        return system.post("/v1/documents", json={"collection": "limited", "documents": [document]})

    before, burst = _answered(system, "/v1/documents"), left()
    assert burst > 2
    answers = _at_once(30, upload)
    counts = Counter(each.status_code for each in answers)
    unforeseen = [each.text for each in answers if each.status_code not in (202, 429)]
    assert counts == {202: burst, 429: 30 - burst}, unforeseen
    refused = [each for each in answers if each.status_code == 429]
    assert {each.json()["code"] for each in refused} == {"rate_limited"}
    assert all(int(each.headers["Retry-After"]) > 60 for each in refused)
    assert all(_more(_answered(system, "/v1/documents"), before)), "one replica answered all"
    assert left() == 0
    assert len(system.get("/v1/documents?collection=limited").json()["documents"]) == burst
