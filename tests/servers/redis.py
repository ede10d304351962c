"""A Redis server for the tests, real and empty, on a free port of 127.0.0.1."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from smartypants.processes import command_that_dies_with_us

START_TIMEOUT_S = 30.0


class RedisServer:
    """One server, which can be stopped, frozen and started again at the same port."""

    def __init__(self, port: int, password: str = "") -> None:
        self.port = port
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise RuntimeError(
                "redis-server is not installed, which the tests need. "
                "Run tests/servers/install (as root), or install the package redis-server."
            )
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
                   "no", "--dir", "/tmp", "--daemonize", "no"]  # fmt: skip
        if self.password:
            options += ["--requirepass", self.password]
        command = command_that_dies_with_us(binary, *options)
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It accepts connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _wait(self) -> None:
        import redis

        client = redis.Redis(port=self.port, password=self.password or None)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        client.close()


@contextmanager
def redis_server(port: int, password: str = "") -> Iterator[RedisServer]:
    server = RedisServer(port, password)
    server.start()
    try:
        yield server
    finally:
        server.stop()
