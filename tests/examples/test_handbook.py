"""The sample corpus: built reproducibly, readable by our parsers, and holding the answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from smartypants.parsing import load_parsers, parse
from smartypants.types import ParsedDocument

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted((EXAMPLES / "handbook").iterdir())
QUESTIONS = json.loads((EXAMPLES / "questions.json").read_text("utf-8"))
ANSWERED = [item for item in QUESTIONS if item["file"]]
GENERATED = {".pdf", ".docx", ".pptx", ".xlsx", ".epub", ".eml"}
UNTITLED = {".txt", ".csv"}
"""Formats with no place for a title: the file name stands in."""


@pytest.fixture(scope="module")
def parsed() -> dict[str, ParsedDocument]:
    parsers = load_parsers()
    return {
        path.name: parse(
            parsers, path.read_bytes(), name=path.name, media_type=None, max_text_chars=10**7
        )
        for path in FILES
    }


def test_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "build_handbook.py", tmp_path], check=True)
    committed = {path.name: path.read_bytes() for path in FILES if path.suffix in GENERATED}
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert built.keys() == committed.keys()
    assert [name for name in built if built[name] != committed[name]] == []


def test_corpus_is_small_and_has_every_format() -> None:
    assert sum(path.stat().st_size for path in FILES) < 400_000
    assert {path.suffix for path in FILES} == GENERATED | UNTITLED | {".md", ".html", ".json"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_parses_with_a_title(path: Path, parsed: dict[str, ParsedDocument]) -> None:
    document = parsed[path.name]
    assert len(document.text) > 500
    assert bool(document.title) == (path.suffix not in UNTITLED)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("petrel-500-manual.pdf", ["1", "2"]),
        ("field-guide.pdf", ["1", "2"]),
        ("onboarding.pptx", ["slide 1", "slide 2", "slide 3", "slide 4"]),
        ("price-list.xlsx", ["Buoys and sensors", "Service plans"]),
        ("reading-the-sea.epub", ["chapter 1", "chapter 2"]),
    ],
)
def test_pages(name: str, labels: list[str], parsed: dict[str, ParsedDocument]) -> None:
    assert [mark.label for mark in parsed[name].pages] == labels


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("petrel-500-manual.pdf", "# Petrel 500 user manual\n"),
        ("petrel-500-manual.pdf", "\n## Error codes\n"),
        ("parental-leave.docx", "\n## Coming back\n"),
        ("parental-leave.docx", "\n- Agree who takes over your work"),
        ("parental-leave.docx", "| --- | --- | --- |\n| Parent who gives birth | 20 | up to 30 |"),
        ("onboarding.pptx", "| 4 | A trip on the workboat Guillemot | Rory Keane |"),
        ("onboarding.pptx", "Notes: People who start in Bergen"),
        ("reading-the-sea.epub", "\n## A falling barometer\n"),
        ("winter-shutdown.eml", "\n## Who is there\n"),
        ("winter-shutdown.eml", "| 24 to 28 December | Yusuf Demir |"),
        ("order-lk-20418.eml", "# Re: Order LK-20418, delivery to Bodø\n"),
        ("sensor-specifications.json", "\nsensors.Wave sensor WV-3.sampling rate: 5 Hz\n"),
        ("stations.csv", "| LK-056 | Skagen | 57.801 |"),
    ],
)
def test_structure_survives(name: str, structure: str, parsed: dict[str, ParsedDocument]) -> None:
    assert structure in parsed[name].text


@pytest.mark.parametrize("item", ANSWERED, ids=lambda item: item["file"])
def test_answer_is_in_its_file_alone(
    item: dict[str, str], parsed: dict[str, ParsedDocument]
) -> None:
    holders = [name for name, document in parsed.items() if item["phrase"] in document.text]
    assert holders == [item["file"]]


def test_two_questions_have_no_answer() -> None:
    assert len(QUESTIONS) == 12
    assert sum(item["file"] is None and item["phrase"] is None for item in QUESTIONS) == 2
