"""What docs/security.md and docs/safety.md name is there: files, and tests by their names."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("docs/security.md", "docs/safety.md", "SECURITY.md")
FOLDERS = ("smartypants", "actors", "deployments", "benchmarks", "tests")
FILES = [str(path.relative_to(ROOT)) for name in FOLDERS for path in (ROOT / name).rglob("*.py")]
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}


def named(page: str) -> set[str]:
    spans = re.findall(r"`([^`\n]+)`", (ROOT / page).read_text())
    return {name for span in spans for name in re.split(r": |, | ", span)}


@pytest.mark.parametrize("page", PAGES)
def test_files(page: str) -> None:
    wanted = {name for name in named(page) if name.endswith(".py")}
    assert wanted
    missing = [name for name in wanted if not any(f"/{f}".endswith(f"/{name}") for f in FILES)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES[:2])
def test_tests(page: str) -> None:
    wanted = {n for n in named(page) if n.startswith("test_") and not n.endswith(".py")}
    assert wanted
    patterns = {name: name.replace("…", "*") for name in wanted}
    missing = [name for name, p in patterns.items() if not any(fnmatch(t, p) for t in TESTS)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_folders(page: str) -> None:
    folders = {name for name in named(page) if name.startswith(("tests/", "smartypants/"))}
    assert [name for name in folders if not (ROOT / name).exists()] == []
