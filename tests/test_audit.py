"""The audit of what is installed: what is a finding, and that nothing passes in silence."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

PATH = Path(__file__).parents[1] / ".ci" / "audit.py"
INSTALLED = {"pip": "26.0", "spam": "1.0"}
CVE = {"id": "PYSEC-1", "fixed_in": ["1.1"], "withdrawn": None}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", PATH)
    assert spec
    assert spec.loader
    module = sys.modules["audit"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def index(answers: dict[str, Any]) -> Callable[[str], Any]:
    def ask(path: str) -> Any:
        found = answers.get(path)
        if isinstance(found, Exception):
            raise found
        return found

    return ask


def releases(**known: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        f"pypi/{name}/{version}/json": {"vulnerabilities": known.get(name, [])}
        for name, version in INSTALLED.items()
    }


@pytest.mark.parametrize(
    ("answers", "accepted", "findings", "notes"),
    [
        (releases(), {}, [], 0),
        (releases(spam=[CVE]), {}, ["PYSEC-1: spam 1.0, fixed in 1.1"], 0),
        (releases(spam=[CVE]), {"PYSEC-1": "not used"}, [], 1),
        (releases(spam=[CVE | {"withdrawn": "2026"}]), {}, [], 0),
        ({}, {}, [], 1),
        (
            releases() | {"pypi/spam/1.0/json": httpx.ReadTimeout("late")},
            {},
            ["unchecked:advisories: spam"],
            0,
        ),
    ],
)
def test_advisories(
    audit: ModuleType,
    answers: dict[str, Any],
    accepted: dict[str, str],
    findings: list[str],
    notes: int,
) -> None:
    report = audit.Report(accepted)
    audit.advisories(INSTALLED, index(answers), report)
    assert (report.findings, len(report.notes)) == (findings, notes)


def test_no_database_is_said(audit: ModuleType) -> None:
    report = audit.Report({})
    audit.advisories(INSTALLED, index({}), report)
    assert "NO ADVISORY DATABASE REACHABLE" in report.notes[0]
    down = {f"{name}/": httpx.ConnectError("no route") for name in INSTALLED}
    audit.yanked(INSTALLED, index(down), report)
    assert "NO PACKAGE INDEX REACHABLE" in report.notes[1]


def test_yanked(audit: ModuleType) -> None:
    files = [
        {"filename": "spam-1.0-py3-none-any.whl", "yanked": "broken"},
        {"filename": "spam-1.0.tar.gz", "yanked": True},
        {"filename": "spam-1.1.tar.gz", "yanked": False},
        {"filename": "spam-of-old.exe", "yanked": False},
    ]
    report = audit.Report({})
    audit.yanked(INSTALLED, index({"spam/": {"files": files}}), report)
    assert report.findings == ["yanked:spam: spam 1.0 was yanked"]


def test_ranges(audit: ModuleType) -> None:
    stated = ["a>=1,<2", "b==1", "c>=2024.1", "d>=1", "e", "f<2"]
    report = audit.Report({})
    audit.ranges({"dependencies": stated, "optional-dependencies": {}}, report)
    assert [line.split(":")[1] for line in report.findings] == ["d", "e", "f"]


@pytest.mark.parametrize(
    ("field", "licence", "good"),
    [
        ("License-Expression", "MIT", True),
        ("License-Expression", "GPL-3.0-only", False),
        ("License-Expression", "MIT OR GPL-3.0-only", True),
        ("License-Expression", "LGPL-3.0-or-later", True),
        ("Classifier", "License :: OSI Approved :: GNU Affero General Public License v3", False),
        ("License", "SSPL", False),
    ],
)
def test_licences(audit: ModuleType, field: str, licence: str, good: bool) -> None:
    told = Message()
    told[field] = licence
    report = audit.Report({})
    audit.licences([SimpleNamespace(name="spam", metadata=told)], report)
    assert (report.findings == []) is good


def test_what_is_needed_at_run_time(audit: ModuleType) -> None:
    names = {package.name for package in audit.closure("smartypants", audit.EXTRAS)}
    assert {"starlette", "joserfc", "presidio_analyzer"} <= {n.replace("-", "_") for n in names}
    assert not {"pytest", "moto"} & names
