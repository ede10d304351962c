"""A provider of models that misbehaves as it is told, on a real socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

WORDS: Final = ["The", " capital", " of", " France", " is", " Paris", "."]
MAX_PROMPT_CHARS: Final = 5_000
DIMENSION: Final = 16

STREAM_FAULTS: Final = ("hang_mid_stream", "cut", "ends_early", "garbage_mid_stream", "error_event")
"""They come after the first token."""
EARLY_FAULTS: Final = (
    "429", "500", "503", "hang", "cut_early", "garbage", "no_http", "html", "huge", "drip",
    "compressed",
)  # fmt: skip
"""They come before it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def route(self) -> str:
        return self.path.partition("?")[0].rpartition("/")[2]


@dataclass
class ProviderServer:
    """Speaks OpenAI's chat completions and embeddings, and Anthropic's messages.

    Requests get what `plan` holds, in order, then what `steady` says: `good`, a status such as
    `429`, or the name of a fault. `retry_after` is sent with each status.

    >>> with ProviderServer() as server:
    ...     server.plan.extend(["500", "good"])
    ...     llm = OpenAILLM("m", api_base=server.url)
    """

    steady: str = "good"
    retry_after: str | None = None
    elsewhere: str = ""
    """Where `307` sends to."""
    plan: deque[str] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a client has left a stream that would not have ended."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        starting = asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/v1"

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            fault = self.plan.popleft() if self.plan else self.steady
            await self._answer(fault, asked, reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _answer(
        self,
        fault: str,
        asked: Asked,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if fault.isdigit():
            writer.write(self._status(int(fault), asked))
        elif "messages" in asked.body and len(json.dumps(asked.body)) > MAX_PROMPT_CHARS:
            writer.write(self._status(400, asked))
        elif fault == "no_http":
            writer.write(b"\x00\xff\x16\x03 what is this\r\n\r\n")
        elif fault == "hang":
            await reader.read()  # until the client leaves
            self.left.set()
        elif fault == "html":
            writer.write(_whole(b"<html>welcome</html>", "text/html"))
        elif asked.route == "embeddings" and fault not in EARLY_FAULTS:
            writer.write(_whole(json.dumps(_embeddings(fault, asked.body)).encode()))
        else:
            writer.write(_head(200, "text/event-stream", compressed=fault == "compressed"))
            async for piece in _stream(fault, asked):
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
            if fault.startswith("cut"):
                writer.transport.abort()
            elif fault == "hang_mid_stream":
                await reader.read()
                self.left.set()
            else:
                writer.write(b"0\r\n\r\n")

    def _status(self, status: int, asked: Asked) -> bytes:
        secret = asked.headers.get("authorization") or asked.headers.get("x-api-key")
        error = {"type": f"error_{status}", "message": f"no, and your key is {secret}"}
        extra = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        if 300 <= status < 400:
            extra["Location"] = self.elsewhere
        body = json.dumps({"type": "error", "error": error}).encode()
        return _whole(body, status=status, extra=extra)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(head[0].split()[1], headers, json.loads(body or b"{}"))


def _head(
    status: int,
    media_type: str,
    *,
    length: int | None = None,
    extra: dict[str, str] | None = None,
    compressed: bool = False,
) -> bytes:
    fields = {"Content-Type": media_type, "Connection": "close", **(extra or {})}
    if length is None:
        fields["Transfer-Encoding"] = "chunked"
    else:
        fields["Content-Length"] = str(length)
    if compressed:
        fields["Content-Encoding"] = "gzip"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode()


def _whole(
    body: bytes,
    media_type: str = "application/json",
    *,
    status: int = 200,
    extra: dict[str, str] | None = None,
) -> bytes:
    return _head(status, media_type, length=len(body), extra=extra) + body


async def _stream(fault: str, asked: Asked) -> AsyncIterator[bytes]:
    if fault in ("cut_early", "compressed"):
        return
    if fault == "garbage":
        yield bytes(range(256)) + b"\n\n"
        return
    while fault == "huge":
        yield b"x" * 65_536
    while fault == "drip":
        yield b":"
        await asyncio.sleep(0.01)
    claude = asked.route == "messages"
    limit = int(asked.body.get("max_tokens") or asked.body.get("max_completion_tokens") or 1)
    if claude:
        yield _claude("message_start", message=_CLAUDE_MESSAGE)
    words = WORDS[:1] if fault in STREAM_FAULTS else WORDS[:limit]
    for word in words:
        yield _claude_text(word) if claude else _piece(word)
    while fault == "endless":
        yield _claude_text(" more") if claude else _piece(" more")
        await asyncio.sleep(0.02)
    if fault == "garbage_mid_stream":
        yield b"event: message_delta\ndata: {not json\n\n"
    if fault == "error_event":
        secret = asked.headers.get("authorization") or asked.headers.get("x-api-key")
        error = {"type": "overloaded_error", "message": f"too much for {secret}"}
        yield _event({"type": "error", "error": error}, "error" if claude else None)
    if fault in STREAM_FAULTS:
        return
    if claude:
        reason = "max_tokens" if limit < len(WORDS) else "end_turn"
        usage = {"output_tokens": len(words)}
        yield _claude("message_delta", delta={"stop_reason": reason}, usage=usage)
        yield _claude("message_stop")
        return
    yield _piece(None, "length" if limit < len(WORDS) else "stop")
    if fault != "no_usage":
        usage = {"prompt_tokens": 9, "completion_tokens": len(words)}
        yield _event({**_CHUNK, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


_CHUNK: Final = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_CLAUDE_MESSAGE: Final = {
    "id": "1", "type": "message", "role": "assistant", "model": "m", "content": [],
    "usage": {"input_tokens": 4, "cache_read_input_tokens": 5, "output_tokens": 1},
}  # fmt: skip


def _event(data: dict[str, Any], name: str | None = None) -> bytes:
    prefix = f"event: {name}\n" if name else ""
    return f"{prefix}data: {json.dumps(data)}\n\n".encode()


def _piece(text: str | None, finish: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return _event({**_CHUNK, "choices": choices})


def _claude(kind: str, **fields: object) -> bytes:
    return _event({"type": kind, **fields}, kind)


def _claude_text(text: str) -> bytes:
    return _claude("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _embeddings(fault: str, body: dict[str, Any]) -> dict[str, Any]:
    texts: list[str] = body["input"]
    size = DIMENSION // 2 if fault == "wrong_dimension" else DIMENSION
    rows = [
        {"object": "embedding", "index": index, "embedding": _vector(text, size)}
        for index, text in enumerate(texts)
    ]
    if fault == "wrong_count":
        rows = rows[1:]
    if fault == "zeros":
        rows = [{**row, "embedding": [0.0] * size} for row in rows]
    found: dict[str, Any] = {"object": "list", "model": body["model"], "data": rows[::-1]}
    if fault != "no_usage":
        found["usage"] = {"prompt_tokens": 3 * len(texts), "total_tokens": 3 * len(texts)}
    return found


def _vector(text: str, size: int) -> list[float]:
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    return [float(value) for value in np.random.default_rng(seed).standard_normal(size)]
