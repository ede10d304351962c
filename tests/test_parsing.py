"""Parsers in a process of their own: whatever a document does, the next one is parsed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smartypants.errors import (
    DocumentError,
    DocumentTimeout,
    DocumentTooLarge,
    DocumentUnreadable,
)
from smartypants.parsing import IsolatedParser, _serve
from tests.parsers import samples
from tests.parsers.test_formats import BOMB
from tests.pdfs import make_pdf
from tests.plugins import install

DOCS = Path(__file__).parents[2] / "shared" / "data" / "docs"
FILES = sorted(path for path in DOCS.glob("*/*") if path.is_file()) if DOCS.is_dir() else []
EVIL = '''
import os, time
from smartypants.errors import DocumentTooLarge
from smartypants.types import ParsedDocument

class Evil:
    """Does what the document says, in place of our parser of plain text."""

    media_types = ("text/plain",)

    def parse(self, data, *, name, media_type):
        order = data.decode().split()
        if order[0] == "sleep":
            time.sleep(600)
        if order[0] == "spin":
            while True:
                pass
        if order[0] == "eat":
            return len(bytearray(2**34))
        if order[0] == "hoard":
            hoard = []
            while True:
                hoard.append(bytearray(2**20))
        if order[0] == "kill":
            os.kill(os.getpid(), int(order[1]))
        if order[0] == "exit":
            raise SystemExit(0)
        if order[0] == "raise":
            raise eval(order[1])
        if order[0] == "unpicklable":
            return ParsedDocument("x", metadata={"f": lambda: 1})
        if order[0] == "wrong":
            return "no document"
        return ParsedDocument(data.decode())
'''


@pytest.fixture
def parser() -> Iterator[IsolatedParser]:
    parser = IsolatedParser(timeout_s=60, memory_bytes=2**31, max_text_chars=2_000_000)
    yield parser
    parser.close()


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IsolatedParser]:
    install(tmp_path, EVIL, "[smartypants.parsers]\ntext = acme_plugins:Evil\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    parser = IsolatedParser(timeout_s=5, memory_bytes=2**30, max_text_chars=1_000)
    parser.parse(b"starts", name="first.txt")
    yield parser
    parser.close()


@pytest.mark.parametrize("order", ["sleep", "spin"])
def test_parser_that_hangs(evil: IsolatedParser, order: str) -> None:
    evil._timeout_s = 0.5
    with pytest.raises(DocumentTimeout, match=r"bad\.txt took over 0\.5 s"):
        evil.parse(order.encode(), name="bad.txt")
    evil._timeout_s = 60
    assert evil.parse(b"the next", name="next.txt").text == "the next"


@pytest.mark.parametrize("order", ["eat", "hoard", "kill 9", "kill 11", "kill 6", "exit"])
def test_parser_that_dies(evil: IsolatedParser, order: str) -> None:
    evil._timeout_s = 60
    with pytest.raises(DocumentUnreadable, match=r"parser died on bad\.txt"):
        evil.parse(order.encode(), name="bad.txt")
    assert evil.parse(b"the next", name="next.txt").text == "the next"


@pytest.mark.parametrize(
    "order", ["raise KeyError('x')", "raise RecursionError()", "unpicklable", "wrong"]
)
def test_parser_with_a_bug(evil: IsolatedParser, order: str) -> None:
    process = evil._process
    with pytest.raises(DocumentUnreadable, match=r"bad\.txt can't be parsed"):
        evil.parse(order.encode(), name="bad.txt")
    assert evil.parse(b"the next", name="next.txt").text == "the next"
    assert evil._process is process


def test_parser_that_refuses(evil: IsolatedParser) -> None:
    with pytest.raises(DocumentTooLarge, match="by itself") as caught:
        evil.parse(b"raise DocumentTooLarge('by_itself'.replace('_','\\x20'),'hint')", name="b.txt")
    assert caught.value.hint == "hint"


def test_text_above_the_limit(evil: IsolatedParser) -> None:
    with pytest.raises(DocumentTooLarge, match=r"1001 characters of text, over 1000"):
        evil.parse(b"x" * 1001, name="bad.txt")
    assert len(evil.parse(b"x" * 1000, name="good.txt").text) == 1000


def test_close_is_idempotent_and_the_next_call_starts_again(evil: IsolatedParser) -> None:
    evil.close()
    evil.close()
    assert evil.parse(b"again", name="a.txt").text == "again"


def test_killed_between_two_documents(parser: IsolatedParser) -> None:
    parser.parse(b"one", name="a.txt")
    assert parser._process is not None
    parser._process.kill()
    parser._process.wait()
    with pytest.raises(DocumentUnreadable):
        parser.parse(b"two", name="a.txt")
    assert parser.parse(b"three", name="a.txt").text == "three"


BAD = {
    "empty.md": b"",
    "spaces.txt": b" \n\t ",
    "binary.txt": bytes(range(256)) * 20,
    "huge.txt": b"word " * 500_000,
    "bomb.docx": samples.packed({"word/document.xml": b" " * (40 * 2**20)}),
    "entities.docx": samples.packed({"word/document.xml": BOMB}),
    "encrypted.pdf": make_pdf([[(10, "Secret.")]], encrypted=True),
    "scan.pdf": make_pdf([[]]),
    "half.pdf": samples.sample_pdf()[:-200],
    "tags.html": b"<div>" * 50_000,
    "half.docx": samples.sample_docx()[:700],
    "half.pptx": samples.sample_pptx()[:9000],
    "half.xlsx": samples.sample_xlsx()[:3000],
    "half.epub": samples.sample_epub()[:500],
    "archive.zip": samples.packed({"setup.py": "x"}),
    "bad.json": b"{",
    "nothing.json": b"{}",
    "empty.html": b"<script>x</script>",
    "deep.json": b"[" * 1_000_000,
}
GOOD = {
    "wrong-extension.docx": (b"only words", "only words"),
    "wrong-extension.txt": (samples.sample_pdf(), "quick brown fox"),
    "noext": (b"words", "words"),
    "invalid.txt": (b"words \xff\xfe\x80 words", "words"),
    "line.md": (b"x " * 500_000, "x x x"),
    "line.html": (b"<p>" + b"x " * 500_000, "x x x"),
    "line.csv": (b"x " * 500_000, "x x x"),
    "tags.html": (b"<div>" * 1_000 + b"words", "words"),
    "no-index.pdf": (samples.sample_pdf().replace(b"\nxref", b"\nxerf"), "quick brown fox"),
    "half.html": (b"<table><tr><td>words", "words"),
}


def test_bad_documents_cost_nobody_else(parser: IsolatedParser) -> None:
    for name, data in BAD.items():
        with pytest.raises(DocumentError) as caught:
            parser.parse(data, name=name)
        assert name in caught.value.message, name
        assert parser.parse(b"the next", name="next.txt").text == "the next"


@pytest.mark.parametrize("name", GOOD)
def test_odd_documents(parser: IsolatedParser, name: str) -> None:
    data, text = GOOD[name]
    assert text in parser.parse(data, name=name).text


def test_memory_limit_is_for_the_child_alone(parser: IsolatedParser) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    parser.parse(b"words", name="a.txt")
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_child_takes_documents_until_the_connection_ends() -> None:
    ours, theirs = multiprocessing.Pipe()
    ours.send((b"# Words", "a.md", None))
    ours.send((b"", "empty.md", None))
    ours.send((b"{", "a.json", 5))  # a declared type of no sense is no error
    ours.send((7, "a.md", None))
    ours.send((b"x" * 101, "long.txt", None))
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(_serve, theirs, 100)
        answers = [ours.recv() for _ in range(5)]
        ours.close()
        served.result()
    assert answers[0].title == "Words"
    assert [type(answer) for answer in answers[1:4]] == [DocumentUnreadable] * 3
    assert type(answers[4]) is DocumentTooLarge


def test_descriptors_are_given_back(parser: IsolatedParser) -> None:
    parser.parse(b"words", name="a.txt")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    for _ in range(3):
        parser.close()
        parser.parse(b"words", name="a.txt")
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    assert after == before


def test_real_files_give_text_or_a_document_error(parser: IsolatedParser) -> None:
    for path in FILES:
        try:
            parsed = parser.parse(path.read_bytes(), name=path.name)
        except DocumentError:
            continue
        offsets = [mark.offset for mark in parsed.pages]
        assert parsed.text.strip(), path
        assert offsets == sorted(offsets), path
