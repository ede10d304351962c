"""Messages over a socket: a JSON head and raw bytes, of limited size, by a deadline."""

from __future__ import annotations

import socket
import struct
import time

_LENGTHS = struct.Struct("!QQ")
_PIECE = 2**20


class FrameTooLarge(Exception):
    """The other side announced more bytes than we take."""


def send(sock: socket.socket, head: bytes, body: bytes, *, deadline: float | None) -> None:
    """`deadline` is a time of `time.monotonic()`; None waits for ever.

    Raises `TimeoutError`, and `OSError` if the other side is gone.
    """
    for piece in (_LENGTHS.pack(len(head), len(body)) + head, body):
        sock.settimeout(_left(deadline))
        sock.sendall(piece)


def receive(
    sock: socket.socket, *, max_head: int, max_body: int, deadline: float | None
) -> tuple[bytes, bytes]:
    """Head and body of the next message.

    Raises `FrameTooLarge` before any of it is kept, `TimeoutError`, `EOFError` if the other side
    has closed, and `OSError`.
    """
    lengths = _LENGTHS.unpack(_exactly(sock, _LENGTHS.size, deadline))
    for length, limit in zip(lengths, (max_head, max_body), strict=True):
        if length > limit:
            raise FrameTooLarge(f"{length} bytes, over {limit}")
    return _exactly(sock, lengths[0], deadline), _exactly(sock, lengths[1], deadline)


def _exactly(sock: socket.socket, count: int, deadline: float | None) -> bytes:
    pieces: list[bytes] = []
    while count:
        sock.settimeout(_left(deadline))
        piece = sock.recv(min(count, _PIECE))
        if not piece:
            raise EOFError
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
