"""Messages that are late, too long or cut off."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from smartypants import frames

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def receive(sock: socket.socket, *, within_s: float | None = 60) -> tuple[bytes, bytes]:
    deadline = None if within_s is None else time.monotonic() + within_s
    return frames.receive(sock, max_head=100, max_body=10**8, deadline=deadline)


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1, 5 * 2**20])
def test_there_and_back(pair: Pair, size: int) -> None:
    body = b"x" * size
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(frames.send, pair[0], b"{}", body, deadline=None)
        assert receive(pair[1], within_s=None) == (b"{}", body)
        sent.result()


def test_nobody_reads(pair: Pair) -> None:
    with pytest.raises(TimeoutError):
        frames.send(pair[0], b"", b"x" * 10**8, deadline=time.monotonic() + 0.1)


@pytest.mark.parametrize("begun", [b"", b"\x00", struct.pack("!QQ", 2, 9) + b"{}abc"])
def test_nobody_writes(pair: Pair, begun: bytes) -> None:
    pair[0].sendall(begun)
    with pytest.raises(TimeoutError):
        receive(pair[1], within_s=0.1)


def test_deadline_that_has_passed(pair: Pair) -> None:
    pair[0].sendall(struct.pack("!QQ", 0, 0))
    with pytest.raises(TimeoutError):
        receive(pair[1], within_s=-1)


@pytest.mark.parametrize("begun", [b"", b"\x00", struct.pack("!QQ", 2, 9) + b"{}abc"])
def test_cut_off(pair: Pair, begun: bytes) -> None:
    pair[0].sendall(begun)
    pair[0].close()
    with pytest.raises(EOFError):
        receive(pair[1])


@pytest.mark.parametrize("lengths", [(101, 0), (0, 10**8 + 1), (2**64 - 1, 2**64 - 1)])
def test_too_long_by_its_own_account(pair: Pair, lengths: tuple[int, int]) -> None:
    pair[0].sendall(struct.pack("!QQ", *lengths))
    with pytest.raises(frames.FrameTooLarge):
        receive(pair[1])
