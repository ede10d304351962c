"""A warm child process that answers one request after another and can do nothing to us.

Time, memory, CPU time and the length of an answer are limited. A child that hangs, dies or
answers nonsense is killed with its whole process group; the next request gets a new one. Its
answers are bytes that the caller checks: nothing that it sends is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from smartypants import frames
from smartypants.confinement import resident_bytes
from smartypants.errors import DocumentTimeout, DocumentTooLarge, DocumentUnreadable, SetupError

KEPT_ENVIRONMENT = frozenset(
    "HOME LANG LC_ALL LC_CTYPE LD_LIBRARY_PATH PATH PYTHONHOME PYTHONPATH TMPDIR TZ "  # noqa: SIM905
    "VIRTUAL_ENV".split()
)
"""The rest stays with us: it may hold keys and passwords."""

START_TIMEOUT_S = 120.0
_MAX_HELLO = 64 * 1024
_REAP_S = 10.0


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What a child may use for one request, and for how long it is kept.

    `timeout_s` covers sending, working and answering. After `max_requests`, or once it has
    `recycle_rss_bytes` in RAM, a child is replaced before the next request, so that what leaks
    stays bounded.
    """

    timeout_s: float
    memory_bytes: int
    max_head_bytes: int
    max_body_bytes: int
    max_requests: int
    recycle_rss_bytes: int


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    sock: socket.socket
    requests: int = 0


class _Died(Exception):
    """Why the child answers no more."""


class Sandbox:
    """Runs `python -m MODULE DESCRIPTOR` and exchanges frames over that descriptor.

    The module first reads the description and answers `{"ready": true}` or `{"error": …}`. Not
    for several threads at once.

    >>> sandbox = Sandbox("smartypants.extractor_process", {"chunker": …}, limits)
    >>> head, body = sandbox.call({"do": "extract"}, data, name="report.pdf")
    """

    def __init__(
        self, module: str, description: Mapping[str, object], limits: SandboxLimits
    ) -> None:
        self._module = module
        self._description = dict(description)
        self._limits = limits
        self._child: _Child | None = None

    @property
    def pid(self) -> int | None:
        """The child's, while there is one."""
        return self._child.process.pid if self._child else None

    def call(self, request: Mapping[str, object], body: bytes, *, name: str) -> tuple[bytes, bytes]:
        """Head and body of the answer; `name` is the document's, for messages.

        Raises `DocumentTimeout`, `DocumentTooLarge` for an answer over its limits,
        `DocumentUnreadable` if the child dies of it, and `SetupError` if none can be started.
        """
        used = self._renew().requests > 0
        try:
            try:
                return self._exchange(request, body, name)
            except _Died:
                if not used:
                    raise
                # What earlier documents left behind may be to blame: try in a fresh process.
                return self._exchange(request, body, name)
        except _Died as exc:
            raise DocumentUnreadable(
                f"The parsing process died on {name} ({exc}).",
                "It is damaged, or needs more memory than parsing.memory_bytes.",
            ) from exc

    def close(self) -> None:
        """Kill the child and all it started; the next call starts another."""
        child, self._child = self._child, None
        if child is None:
            return
        child.sock.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        # A process that the kernel can't end at once must not hold us up.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(_REAP_S)

    def _exchange(
        self, request: Mapping[str, object], body: bytes, name: str
    ) -> tuple[bytes, bytes]:
        child = self._renew()
        child.requests += 1
        limits = self._limits
        deadline = time.monotonic() + limits.timeout_s
        try:
            frames.send(child.sock, json.dumps(request).encode(), body, deadline=deadline)
            return frames.receive(
                child.sock,
                max_head=limits.max_head_bytes,
                max_body=limits.max_body_bytes,
                deadline=deadline,
            )
        except frames.FrameTooLarge as exc:
            self.close()
            raise DocumentTooLarge(
                f"What the parsing process made of {name} is too large: {exc}.",
                "Raise parsing.max_text_chars or parsing.max_chunks, or split the document.",
            ) from exc
        except TimeoutError as exc:
            self.close()
            raise self._timeout(name) from exc
        except (EOFError, OSError) as exc:
            self.close()
            status = child.process.returncode
            if status == -signal.SIGXCPU:
                raise self._timeout(name) from exc
            raise _Died(_ending(status)) from exc
        except BaseException:
            self.close()  # or its answer would pass for that to the next request
            raise

    def _timeout(self, name: str) -> DocumentTimeout:
        return DocumentTimeout(
            f"Parsing {name} took over {self._limits.timeout_s:g} s.",
            "Raise parsing.timeout_s, or split the document.",
        )

    def _renew(self) -> _Child:
        """The present child, or a new one where it is gone or has served long enough."""
        child = self._child
        if child is not None and (
            child.process.poll() is not None
            or child.requests >= self._limits.max_requests
            or resident_bytes(child.process.pid) > self._limits.recycle_rss_bytes
        ):
            self.close()
        return self._child or self._start()

    def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {key: os.environ[key] for key in KEPT_ENVIRONMENT & os.environ.keys()}
            process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=environment | {"TOKENIZERS_PARALLELISM": "false"},
            )
        self._child = _Child(process, ours)
        deadline = time.monotonic() + START_TIMEOUT_S
        description = self._description | {
            "memory_bytes": self._limits.memory_bytes,
            "timeout_s": self._limits.timeout_s,
        }
        try:
            frames.send(ours, json.dumps(description).encode(), b"", deadline=deadline)
            head, _ = frames.receive(ours, max_head=_MAX_HELLO, max_body=0, deadline=deadline)
            error = json.loads(head).get("error")
        except (EOFError, OSError, frames.FrameTooLarge, ValueError) as exc:
            self.close()
            error = _ending(process.returncode) if isinstance(exc, EOFError) else repr(exc)
        if error is not None:
            self.close()
            raise SetupError(
                f"The parsing process did not start: {error}.",
                "parsing.memory_bytes may be too small for it (512 MiB is the least).",
            )
        return self._child


def _ending(status: int | None) -> str:
    if status is None:
        return "it did not end"
    return f"signal {-status}" if status < 0 else f"exit status {status}"
