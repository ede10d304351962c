"""What is compared: each server's questions, answers, processes and figures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from benchmarks import _beir, _peers, _search_apis
from benchmarks._beir import Passage, RetrievalSet
from benchmarks._search_apis import Api, Place
from benchmarks.search import Load
from benchmarks.search_peers import Outcome, Plan, measure, planned, summary, write_passages
from smartypants.errors import SetupError
from smartypants.settings import Settings

DATA = RetrievalSet(
    "buoys",
    (Passage("a/1", "Buoys", "They float."), Passage("b", "", "No title.")),
    {"q1": "what floats?", "q2": "title & more"},
    {"q1": {"a/1": 1}, "q2": {"b": 1}},
)
IDS = {_beir.file_name(passage.id): passage.id for passage in DATA.corpus}
APIS = {
    "ours": _search_apis.ours("set_buoys", IDS),
    "haystack": _search_apis.haystack().api,
    "txtai": _search_apis.txtai().api,
}
BODIES = {
    "ours": {"hits": [{"uri": Path("/c", file).as_uri()} for file in IDS]},
    "haystack": {"result": [{"id": "a/1", "text": "", "score": 1.0}, {"id": "b", "text": ""}]},
    "txtai": [{"id": "a/1", "text": "", "score": 1.0}, {"id": "b", "text": ""}],
}


@pytest.mark.parametrize("name", APIS)
def test_documents_of_an_answer_are_the_passages(name: str) -> None:
    assert APIS[name].documents(BODIES[name]) == ["a/1", "b"]


def test_a_document_with_two_hits_counts_once() -> None:
    hits = [{"id": name} for name in ("b", "a/1", "b")]
    assert APIS["txtai"].documents(hits) == ["b", "a/1"]


@pytest.mark.parametrize("name", APIS)
def test_a_question_arrives_as_it_is_and_asks_for_ten(name: str) -> None:
    request = httpx.Client(base_url="http://127.0.0.1").build_request(
        **APIS[name].request("a & b = ü?")
    )
    sent = json.loads(request.content) if request.content else dict(request.url.params)
    assert sent["query"] == "a & b = ü?"
    assert int(sent.get("top_k") or sent["limit"]) == 10


def test_ours_may_take_as_long_as_the_clients_wait() -> None:
    request = httpx.Request(**APIS["ours"].request("text") | {"url": "http://127.0.0.1/v1/search"})
    assert request.headers["X-Deadline-Ms"] == "120000"


def test_commands_serve_on_the_loopback_interface_alone() -> None:
    place = Place(Path("/programs"), Path("/index"), Path("/model"))
    for peer in (_search_apis.haystack(), _search_apis.txtai()):
        command = [str(part) for part in peer.command(place, 4321)]
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert command[command.index("--port") + 1] == "4321"
        assert command[0].startswith("/programs/")
        assert any("/index/" in value for value in peer.environ(place).values())


def test_passages_begin_with_their_titles(tmp_path: Path) -> None:
    write_passages(DATA.corpus, tmp_path / "p.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert rows == [
        {"id": "a/1", "text": "Buoys\n\nThey float."},
        {"id": "b", "text": "No title."},
    ]


def test_questions_are_cut_to_what_the_api_takes() -> None:
    settings = Settings(http={"max_query_chars": 5})
    assert planned(DATA, settings, quick=True).questions == {"q1": "what ", "q2": "title"}


def test_ndcg_falls_with_the_rank_of_what_is_relevant() -> None:
    assert DATA.ndcg({"q1": ["a/1", "b"], "q2": ["b", "a/1"]}) == 1.0
    assert DATA.ndcg({"q1": ["b", "a/1"]}) == pytest.approx(0.63093, abs=1e-5)
    assert DATA.ndcg({"q1": ["a/1"], "q2": []}) == 0.5


def _outcome(rps: float, ndcg: float = 0.7) -> Outcome:
    loads = {clients: Load([10.0, 20.0, 30.0, 40.0], 4 / rps, 0.0) for clients in (1, 32)}
    return Outcome(ndcg, loads, {1: 5.0, 32: 6.0}, 3 * 2**20)


def test_figures_are_over_the_faster_peer() -> None:
    figures = summary({"ours": _outcome(30.0), "haystack": _outcome(10.0), "txtai": _outcome(20.0)})
    assert figures["search_peers.over_best_peer@1"] == pytest.approx(1.5)
    assert figures["search_peers.over_best_peer@32"] == pytest.approx(1.5)
    assert figures["search_peers.haystack.rps@32"] == pytest.approx(10.0)
    assert figures["search_peers.ours.p50_ms@1"] == 20.0
    assert figures["search_peers.ours.p95_ms@1"] == 40.0
    assert figures["search_peers.txtai.cpu_ms@32"] == 6.0
    assert figures["search_peers.txtai.rss_mb"] == 3.0
    assert figures["search_peers.txtai.ndcg@10"] == 0.7


class Answering(BaseHTTPRequestHandler):
    """Finds the right passage for `what floats?`, and nothing for other questions."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hits = [{"id": "a/1"}] if asked["query"] == "what floats?" else []
        body = json.dumps({"result": hits}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.asked.append(asked["query"])  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _servers(count: int) -> Iterator[list[Any]]:
    servers: list[Any] = [ThreadingHTTPServer(("127.0.0.1", 0), Answering) for _ in range(count)]
    threads = [Thread(target=server.serve_forever) for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.asked = []
        thread.start()
    try:
        yield servers
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _urls(servers: list[Any]) -> list[str]:
    return [f"http://127.0.0.1:{server.server_port}" for server in servers]


def test_a_server_is_measured() -> None:
    plan = Plan(DATA, DATA.queries, seconds=0.1, warm_up_s=0.05)
    with _servers(2) as servers:
        outcome = asyncio.run(measure(APIS["haystack"], _urls(servers), plan))
        asked = [server.asked for server in servers]
    assert outcome.ndcg == 0.5
    assert set(outcome.loads) == {1, 8, 32} == set(outcome.cpu_ms)
    assert abs(len(asked[0]) - len(asked[1])) <= 1
    assert set(asked[0] + asked[1]) == set(DATA.queries.values())


def test_a_refusal_is_no_answer() -> None:
    api = Api(lambda _: {"method": "GET", "url": "/"}, lambda _: [])

    async def ask(url: str) -> None:
        async with _search_apis.sending(api, [url]) as send:
            await send("anything")

    with _servers(1) as servers:
        [url] = _urls(servers)
        assert not _search_apis.answers(api, url, "anything")
        with pytest.raises(httpx.HTTPStatusError):
            asyncio.run(ask(url))
    assert not _search_apis.answers(api, url, "anything")


PARENT = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(300)
"""


def test_a_server_ends_with_its_workers(tmp_path: Path) -> None:
    file = tmp_path / "child"
    command = [sys.executable, "-c", PARENT, str(file)]
    with _peers.serving(
        command, {}, log=tmp_path / "log", ready=lambda: file.exists() and bool(file.read_text())
    ):
        child = psutil.Process(int(file.read_text()))
        assert child.is_running()
        used = _peers.usage()
        assert used.rss > child.memory_info().rss
        assert used.cpu_s > 0
    assert not child.is_running()


def test_a_server_that_ends_by_itself_is_reported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with (
        pytest.raises(SetupError, match="no such model"),
        _peers.serving(command, {}, log=tmp_path / "log", ready=lambda: False),
    ):
        pytest.fail("it was never ready")


def test_peers_get_neither_our_packages_nor_a_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "print(os.environ.get('PYTHONPATH'), os.environ['HF_HUB_OFFLINE'], *sys.argv[1:])\n"
    )
    assert _peers.run(Path(sys.executable), script, "one", Path("two")) == "None 1 one two\n"
    script.write_text("raise SystemExit('bad corpus')")
    with pytest.raises(SetupError, match="bad corpus"):
        _peers.run(Path(sys.executable), script)
