"""Debian's own documentation as a retrieval set: five books by page, and our questions on them.

The books come from packages that `apt-get download` fetches into a cache folder; the questions,
written for this benchmark from the pages, are in `debian_questions.jsonl`, each with the pages
that answer it and a few words of each that do.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from smartypants.errors import SetupError

QUESTIONS = Path(__file__).with_name("debian_questions.jsonl")

BOOKS = {
    "handbook": ("debian-handbook", "usr/share/doc/debian-handbook/html/en-US"),
    "faq": ("debian-faq", "usr/share/doc/debian/FAQ"),
    "kernel": (
        "debian-kernel-handbook",
        "usr/share/doc/debian-kernel-handbook/kernel-handbook.html",
    ),
    "harden": ("harden-doc", "usr/share/doc/harden-doc/html/en-US"),
    "install": ("installation-guide-amd64", "usr/share/doc/installation-guide-amd64/en"),
}
"""Each book's package, and where its English pages are in it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the pages (`book/page.html`) that answer it with a quotation of each."""

    id: str
    text: str
    relevant: dict[str, str]


def questions() -> list[Question]:
    """All of them, in the file's order."""
    rows = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    return [
        Question(
            row["_id"],
            row["text"],
            {item["document"]: item["quote"] for item in row["relevant"]},
        )
        for row in rows
    ]


def fetch(cache: Path, folder: Path) -> None:
    """Put the books' English pages into `folder`, a folder a book.

    Raises `SetupError` where apt can't fetch a package, or a question's quotation is in no page.
    """
    debs = cache / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    for book, (package, inside) in BOOKS.items():
        pages = cache / "unpacked" / package / inside
        if not pages.is_dir():
            _unpack(package, debs, cache / "unpacked" / package)
        target = folder / book
        target.mkdir(parents=True, exist_ok=True)
        for page in sorted(pages.glob("*.html")):
            # The FAQ has each page twice.
            twice = page.with_suffix("").name + ".en.html"
            if not (pages / twice).is_file() and not (target / page.name).is_file():
                shutil.copy(page, target / page.name)
    _check(folder)


def _unpack(package: str, debs: Path, target: Path) -> None:
    found = sorted(debs.glob(f"{package}_*.deb"))
    if not found:
        command = ["apt-get", "download", package]
        done = subprocess.run(command, cwd=debs, capture_output=True, text=True, check=False)
        found = sorted(debs.glob(f"{package}_*.deb"))
        if done.returncode or not found:
            raise SetupError(
                f"apt-get can't fetch {package}: {done.stderr.strip()[-500:]}",
                "The set needs Debian, and `apt-get update`.",
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", str(found[-1]), str(target)], check=True)


def _check(folder: Path) -> None:
    for question in questions():
        for document, quote in question.relevant.items():
            page = folder / document
            if not page.is_file() or quote not in words(page.read_text(errors="replace")):
                raise SetupError(
                    f"{document} does not say {quote!r} (question {question.id}).",
                    "The books have changed: look the answer up again.",
                )


def words(page: str) -> str:
    """A page's text without tags, with single spaces."""
    page = re.sub(r"(?s)<(script|style|head).*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
