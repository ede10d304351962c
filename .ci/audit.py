"""What is installed, against what is known of it: advisories, yanked releases, licences, ranges.

The package index is the one that pip is set to. Exits with 1 if there is a finding that
`[tool.audit.accepted]` in pyproject.toml does not name. Where no advisory database can be reached,
it says so and checks the rest: that is no finding, and no clean result either.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from pip._internal.models.index import PyPI  # names pip's default, which its settings may replace

ROOT = Path(__file__).parents[1]
EXTRAS = ("models", "safety", "postgres", "redis", "anthropic")
SIMPLE = "application/vnd.pypi.simple.v1+json"
CALENDAR = 2000
COPYLEFT = ("AGPL", "AFFERO", "GPL", "SSPL")


@dataclass
class Report:
    """`findings` fail the audit unless they are accepted; `notes` are what could not be checked."""

    accepted: dict[str, str]
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def found(self, key: str, text: str) -> None:
        reason = self.accepted.get(key)
        if reason is None:
            self.findings.append(f"{key}: {text}")
        else:
            self.notes.append(f"accepted: {key}: {reason}")


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    report = Report(project.get("tool", {}).get("audit", {}).get("accepted", {}))
    ranges(project["project"], report)
    licences(closure("smartypants", EXTRAS), report)
    installed = {
        canonicalize_name(d.name): Version(d.version).public
        for d in distributions()
        if d.name and d.name != "smartypants"
    }
    simple = index_url()
    with httpx.Client(timeout=30, follow_redirects=True) as client:
        yanked(installed, _asked(client, simple), report)
        advisories(installed, _asked(client, simple.removesuffix("/simple")), report)
    servers(ROOT / "tests" / "servers" / "package.json", report)
    for note in report.notes:
        print(f"audit: {note}")
    for finding in report.findings:
        print(f"audit: FINDING: {finding}")
    print(f"audit: {len(installed)} packages, {len(report.findings)} findings")
    return 1 if report.findings else 0


def index_url() -> str:
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    options = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    for key in (":env:.index-url", "install.index-url", "global.index-url"):
        if key in options:
            return options[key].strip("'\"").rstrip("/")
    return str(PyPI.simple_url).rstrip("/")


Ask = Callable[[str], Any]
"""The JSON of a path of the index: None for what it does not have. Raises `httpx.HTTPError`."""


def _asked(client: httpx.Client, base: str) -> Ask:
    def ask(path: str) -> Any:
        response = client.get(f"{base}/{path}", headers={"Accept": f"{SIMPLE}, application/json"})
        if response.status_code == 404:
            return None
        response.raise_for_status()
        try:
            return response.json()
        except ValueError:
            return None

    return ask


def ranges(project: dict[str, Any], report: Report) -> None:
    """Each dependency has a release to begin at and, unless it counts years, one to end before."""
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in map(Requirement, chain.from_iterable(groups)):
        bounds = {item.operator: Version(item.version) for item in requirement.specifier}
        begins = bounds.get(">=") or bounds.get("==")
        years = begins is not None and begins.major >= CALENDAR
        if begins is None or not (years or "<" in bounds or "==" in bounds):
            report.found(f"range:{requirement.name}", f"{requirement} has no bounds")


def closure(name: str, extras: Iterable[str]) -> list[Distribution]:
    """What the package needs at run time, and what that needs."""
    seen: dict[str, Distribution] = {}
    waiting = [(name, frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # of another platform, or replaced by a package that carries the same
        if seen.setdefault(canonicalize_name(name), found) is not found:
            continue
        for text in found.requires or ():
            needed = Requirement(text)
            marks = ({"extra": extra} for extra in wanted | {""})
            if needed.marker is None or any(needed.marker.evaluate(mark) for mark in marks):
                waiting.append((needed.name, frozenset(needed.extras)))
    del seen["smartypants"]
    return list(seen.values())


def licences(packages: Iterable[Distribution], report: Report) -> None:
    """Nothing that we ship with asks for more than to be named (LGPL libraries are not changed)."""
    for package in packages:
        stated = list(_licence(package))
        if not stated:
            report.notes.append(f"{package.name} states no licence")
        words = " ".join(stated).upper().replace("LGPL", "").replace("LESSER GENERAL PUBLIC", "")
        choice = " OR " in words
        if not choice and any(name in words or "GENERAL PUBLIC" in words for name in COPYLEFT):
            report.found(f"licence:{package.name}", " / ".join(stated))


def _licence(package: Distribution) -> Iterator[str]:
    told = package.metadata
    if told["License-Expression"]:
        yield told["License-Expression"]
        return
    classified = [c for c in told.get_all("Classifier") or () if c.startswith("License ::")]
    yield from (c.rpartition(" :: ")[2] for c in classified)
    if not classified and told["License"]:
        yield told["License"].splitlines()[0]


def yanked(installed: dict[str, str], ask: Ask, report: Report) -> None:
    """Releases that their authors took back."""

    def of(item: tuple[str, str]) -> bool:
        listed = ask(f"{item[0]}/")
        files = listed.get("files", ()) if isinstance(listed, dict) else ()
        mine = [file for file in files if _version(file["filename"]) == Version(item[1])]
        return bool(mine) and all(file.get("yanked") for file in mine)

    for (name, version), taken_back in _each(installed, of, "yanked releases", report):
        if taken_back:
            report.found(f"yanked:{name}", f"{name} {version} was yanked")


def _version(filename: str) -> Version | None:
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return Version(filename.rpartition("-")[2].removesuffix(".tar.gz").removesuffix(".zip"))
    except ValueError:
        return None


def advisories(installed: dict[str, str], ask: Ask, report: Report) -> None:
    """Known vulnerabilities, as the index tells them with each release."""

    def of(item: tuple[str, str]) -> list[dict[str, Any]]:
        told = ask(f"pypi/{item[0]}/{item[1]}/json") or {}
        return [one for one in told.get("vulnerabilities", ()) if not one.get("withdrawn")]

    try:
        reachable = "vulnerabilities" in (ask(f"pypi/pip/{installed['pip']}/json") or {})
    except httpx.HTTPError:
        reachable = False
    if not reachable:
        report.notes.append(
            "NO ADVISORY DATABASE REACHABLE for Python: known vulnerabilities were not looked for"
        )
        return
    for (name, version), known in _each(installed, of, "advisories", report):
        for one in known:
            fixed = ", ".join(one.get("fixed_in", ())) or "no release"
            report.found(one["id"], f"{name} {version}, fixed in {fixed}")


def _each(
    installed: dict[str, str],
    of: Callable[[tuple[str, str]], Any],
    what: str,
    report: Report,
) -> Iterator[tuple[tuple[str, str], Any]]:
    """Several at once. What the index answers with an error is a finding: it was not checked."""

    def guarded(item: tuple[str, str]) -> Any:
        try:
            return of(item)
        except httpx.HTTPError as exc:
            return exc

    with ThreadPoolExecutor(8) as pool:
        found = list(zip(installed.items(), pool.map(guarded, installed.items()), strict=True))
    failed = [item[0] for item, result in found if isinstance(result, Exception)]
    if failed and len(failed) == len(found):
        report.notes.append(f"NO PACKAGE INDEX REACHABLE: {what} were not looked for")
    elif failed:
        report.found(f"unchecked:{what}", ", ".join(failed))
    yield from ((item, result) for item, result in found if not isinstance(result, Exception))


def servers(manifest: Path, report: Report) -> None:
    """The servers that the tests start on loopback, by npm's own audit; from `high` on."""
    if shutil.which("npm") is None:
        report.notes.append("npm is not installed: the tests' servers were not looked at")
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(manifest, folder)
        quiet = ["--prefix", folder, "--no-fund"]
        subprocess.run(
            ["npm", "install", *quiet, "--package-lock-only", "--no-audit", "--silent"], check=False
        )
        told = subprocess.run(
            ["npm", "audit", *quiet, "--json"], capture_output=True, text=True, check=False
        ).stdout
    try:
        known = json.loads(told)["vulnerabilities"]
    except (ValueError, KeyError):
        report.notes.append(
            "NO ADVISORY DATABASE REACHABLE for npm: the tests' servers were not looked at"
        )
        return
    for name, one in known.items():
        if one["severity"] in ("high", "critical"):
            report.found(f"npm:{name}", f"{one['severity']}, {one['range']}")


if __name__ == "__main__":
    sys.exit(main())
