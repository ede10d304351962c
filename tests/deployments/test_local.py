"""How the system comes up, or says why it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ray import serve

from deployments import local
from smartypants import runtime
from smartypants.settings import Settings
from tests.ports import free_port


def test_a_slow_proxy_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve gives it a minute, and has not failed then."""
    called = []

    def slow(name: str) -> Any:
        def call(*_: Any, **__: Any) -> None:
            called.append(name)
            raise TimeoutError("Proxies not available after 60s.")

        return call

    for name in ("start", "run_many"):
        monkeypatch.setattr(serve, name, slow(name))
    local._deploy(Settings(data_dir=tmp_path))
    assert called == ["start", "run_many"]


def test_detached_it_says_why_it_did_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path)
    monkeypatch.setenv("SMARTYPANTS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SMARTYPANTS_HTTP__PORT", str(free_port()))
    monkeypatch.setenv("SMARTYPANTS_VECTORS__EMBEDDED_PORT", str(free_port()))
    monkeypatch.setenv("SMARTYPANTS_LLM__KIND", "openai")  # no model to prepare
    monkeypatch.setenv("SMARTYPANTS_LLM__API_BASE", "http://127.0.0.1:9/v1")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "up.log").write_text("Error: Of another day.\n")
    with runtime.exclusive(settings, "import"):
        done = subprocess.run(
            [sys.executable, "-m", "deployments.cli", "up", "--detach"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert f"Error: {tmp_path} is in use by `smartypants import`" in done.stderr
    assert "another day" not in done.stderr
