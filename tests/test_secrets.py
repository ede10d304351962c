"""References to secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartypants import secrets
from smartypants.errors import SetupError


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", " x\n")
    assert secrets.resolve("env:A_SECRET", setting="a.b") == " x\n"


def test_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" x y\r\n")
    assert secrets.resolve(f"file:{tmp_path}/secret", setting="a.b") == " x y"


@pytest.mark.parametrize("reference", ["env:NO_SUCH_NAME", "file:/no/such/file", "file:/"])
def test_missing(reference: str) -> None:
    with pytest.raises(SetupError, match=r"a\.b refers to"):
        secrets.resolve(reference, setting="a.b")


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hunter2\xff")
    with pytest.raises(SetupError, match="not text") as caught:
        secrets.resolve(f"file:{tmp_path}/secret", setting="a.b")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("reference", ["hunter2", "hunter:2", "env:", "file:", ""])
def test_what_is_no_reference_is_not_shown(reference: str) -> None:
    with pytest.raises(SetupError, match=r"a\.b is not a reference") as caught:
        secrets.resolve(reference, setting="a.b")
    assert "hunter" not in str(caught.value)
