"""A port belongs to one server, even if two are started at the same moment."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from smartypants import ports
from smartypants.errors import PortTaken
from tests.ports import free_port

HOLD = """
import sys
from smartypants.errors import PortTaken
from smartypants.ports import claimed

try:
    with claimed(int(sys.argv[1]), "http.port"):
        print("held", flush=True)
        sys.stdin.read()
except PortTaken:
    print("taken", flush=True)
"""


def holder(port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_listens_is_in_use() -> None:
    port = free_port()
    assert not ports.in_use(port)
    with socket.create_server(("127.0.0.1", port)):
        assert ports.in_use(port)
        assert ports.in_use(port, "0.0.0.0")
        with pytest.raises(PortTaken, match=str(port)), ports.claimed(port, "http.port"):
            pass


def test_one_of_those_that_start_together_has_it() -> None:
    port = free_port()
    processes = [holder(port) for _ in range(4)]
    try:
        assert sorted(map(said, processes)) == ["held", "taken", "taken", "taken"]
        with pytest.raises(PortTaken) as raised, ports.claimed(port, "vectors.embedded_port"):
            pass
        assert "SMARTYPANTS_VECTORS__EMBEDDED_PORT" in raised.value.hint
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    with ports.claimed(port, "http.port"):  # one that was killed holds nothing
        pass


def test_it_is_held_until_the_block_ends() -> None:
    port = free_port()
    with ports.claimed(port, "http.port"):
        late = holder(port)
        assert said(late) == "taken"
        late.communicate()
    with ports.claimed(port, "http.port"):
        pass


def test_the_next_that_is_free() -> None:
    port = free_port()
    assert ports.first_free(port) == port
    with socket.create_server(("127.0.0.1", port)):
        found = ports.first_free(port, "0.0.0.0")
        assert port < found < port + 100
    assert 1024 <= ports.first_free(65536 + 500) < 65536


def test_a_port_that_a_connection_goes_out_by_is_in_use() -> None:
    """A server can't listen there, though nobody answers."""
    with (
        socket.create_server(("127.0.0.1", free_port())) as server,
        socket.create_connection(server.getsockname()) as connection,
    ):
        assert ports.in_use(connection.getsockname()[1])
