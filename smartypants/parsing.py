"""Runs parsers in a process of their own, with limits on time and memory.

A parser that hangs, or that its memory limit or a crash ends, costs the document at hand; the
next one gets a new process.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe

from smartypants import media_types, registry
from smartypants.errors import (
    DocumentError,
    DocumentTimeout,
    DocumentTooLarge,
    DocumentUnreadable,
)
from smartypants.protocols import Parser
from smartypants.types import ParsedDocument

CONNECTION_ERRORS = (EOFError, OSError, pickle.UnpicklingError)


class IsolatedParser:
    """Parses any document of a known format in a child process.

    >>> with_limits = IsolatedParser(timeout_s=60, memory_bytes=2**32, max_text_chars=10**7)
    >>> with_limits.parse(data, name="report.pdf").title
    """

    def __init__(self, *, timeout_s: float, memory_bytes: int, max_text_chars: int) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._max_text_chars = max_text_chars
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def parse(self, data: bytes, *, name: str, media_type: str | None = None) -> ParsedDocument:
        """Raises `DocumentError` for a document that can't be parsed within the limits."""
        if self._connection is None:
            self._connection = self._start()
        try:
            self._connection.send((data, name, media_type))
            if not self._connection.poll(self._timeout_s):
                self.close()
                raise DocumentTimeout(
                    f"Parsing {name} took over {self._timeout_s:g} s.",
                    "Raise parsing.timeout_s, or split the document.",
                )
            result: ParsedDocument | DocumentError = self._connection.recv()
        except CONNECTION_ERRORS as exc:
            self.close()
            raise DocumentUnreadable(
                f"The parser died on {name}.",
                "It is damaged, or needs more memory than parsing.memory_bytes.",
            ) from exc
        if isinstance(result, DocumentError):
            raise result
        if not result.text.strip():
            raise DocumentUnreadable(f"{name} has no text.", "There is nothing to index.")
        return result

    def close(self) -> None:
        """End the process; the next call starts another."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._connection = self._process = None

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        with theirs:
            limits = [str(theirs.fileno()), str(self._memory_bytes), str(self._max_text_chars)]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "smartypants.parsing", *limits],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return ours


def _parse(
    parsers: dict[str, Parser], data: bytes, name: str, declared: str | None, max_text_chars: int
) -> ParsedDocument:
    media_type = media_types.detect(data, name=name, declared=declared)
    parsed = parsers[media_type].parse(data, name=name, media_type=media_type)
    if len(parsed.text) > max_text_chars:
        raise DocumentTooLarge(
            f"{name} has {len(parsed.text)} characters of text, over {max_text_chars}.",
            "Raise parsing.max_text_chars, or split the document.",
        )
    return parsed


def load_parsers() -> dict[str, Parser]:
    """Every parser plugin, by media type."""
    plugins: list[Parser] = [registry.load("parsers", name)() for name in registry.names("parsers")]
    return {media_type: parser for parser in plugins for media_type in parser.media_types}


def _serve(connection: Connection, max_text_chars: int) -> None:
    parsers = load_parsers()
    while True:
        try:
            data, name, declared = connection.recv()
        except EOFError:
            return
        try:
            connection.send(_parse(parsers, data, name, declared, max_text_chars))
        except DocumentError as exc:
            connection.send(exc)
        except MemoryError:
            os._exit(1)  # what is left of the heap is not worth trusting
        except Exception as exc:  # noqa: BLE001 - the boundary: one document, recorded by the parent
            connection.send(
                DocumentUnreadable(f"{name} can't be parsed: {type(exc).__name__}: {exc}")
            )


def main() -> None:
    """The child: limits itself, then parses what comes until the connection ends."""
    import resource

    from smartypants.processes import die_with_parent

    die_with_parent()
    descriptor, memory_bytes, max_text_chars = map(int, sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _serve(Connection(descriptor), max_text_chars)


if __name__ == "__main__":
    main()
