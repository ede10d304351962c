"""Documents in a process of their own: whatever one does, the next one is read."""

from __future__ import annotations

import json
import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartypants.confinement import resident_bytes
from smartypants.errors import (
    DocumentError,
    DocumentTimeout,
    DocumentTooLarge,
    DocumentUnreadable,
    SetupError,
)
from smartypants.extracting import ChunkerSpec, IsolatedExtractor
from smartypants.types import Mark
from tests import extractors
from tests.parsers import samples
from tests.pdfs import make_pdf
from tests.plugins import install

EVIL = '''
import os, socket, subprocess, sys, time
from smartypants import frames
from smartypants.errors import DocumentError, DocumentTimeout, DocumentTooLarge
from smartypants.types import Mark, ParsedDocument

class Lines:
    """A chunk a line; a text that begins with `chunk` does what it says."""

    def __init__(self, *, hang=""):
        if hang:
            raise ValueError(hang)

    def split(self, text):
        if text.startswith("chunk"):
            obey(text.split()[1:], text)
        ranges, at = [], 0
        for line in text.splitlines(keepends=True):
            ranges.append((at, at + len(line)))
            at += len(line)
        return ranges

class Evil:
    """Does what the document says, in place of our parser of plain text."""

    media_types = ("text/plain",)

    def parse(self, data, *, name, media_type):
        text = data.decode()
        return obey(text.split(), text) or ParsedDocument(text)

def obey(order, text):
    match order[0]:
        case "sleep":
            time.sleep(600)
        case "spin":
            while True:
                pass
        case "leave":
            child = subprocess.Popen(["sleep", "600"])
            return ParsedDocument(str(child.pid))
        case "eat":
            return len(bytearray(2**34))
        case "hoard":
            hoard = []
            while True:
                hoard.append(bytearray(2**20))
        case "leak":
            globals().setdefault("leaked", []).append(b"x" * (int(order[1]) * 2**20))
        case "old":
            globals()["old"] = globals().get("old", 0) + 1
            if globals()["old"] > 2:
                os._exit(7)
        case "kill":
            os.kill(os.getpid(), int(order[1]))
        case "exit":
            raise SystemExit(0)
        case "raise":
            raise eval(text[5:])
        case "wrong":
            return "no document"
        case "environment":
            return ParsedDocument(" ".join(sorted(os.environ)))
        case "write":
            with open(order[1], "w") as file:
                file.write("words")
        case "metadata":
            big = {f"{n:03}" * 300: "v" * 10_000 for n in range(100)}
            return ParsedDocument("x", "t" * 10_000, (Mark(0, "p" * 10_000),), big)
        case "unclean":
            return ParsedDocument(
                "a\\ud800b", "t\\x00\\nu", (Mark(0, "p\\x00"),), {"k\\x00": "v\\x00"}
            )
        case "answer":
            sock = socket.socket(fileno=os.dup(int(sys.argv[1])))
            sock.sendall(eval(text[6:]))
            time.sleep(600)
        case "close":
            os.close(int(sys.argv[1]))
            time.sleep(600)
'''
ENTRY_POINTS = """[smartypants.parsers]
text = acme_plugins:Evil
[smartypants.chunkers]
lines = acme_plugins:Lines
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, EVIL, ENTRY_POINTS)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture
def evil(plugins: None) -> Iterator[IsolatedExtractor]:
    extractor = extractors.make(
        ChunkerSpec("lines"),
        timeout_s=60,
        memory_bytes=2**30,
        max_text_chars=1_000,
        max_chunks=10,
        max_metadata_chars=50,
    )
    yield extractor
    extractor.close()


@pytest.fixture
def hasty(plugins: None) -> Iterator[IsolatedExtractor]:
    """Starting is not counted; half a second is enough for a line, even on a busy machine."""
    extractor = extractors.make(ChunkerSpec("lines"), timeout_s=0.5, memory_bytes=2**30)
    yield extractor
    extractor.close()


@pytest.fixture(scope="module")
def extractor(minilm: Path) -> Iterator[IsolatedExtractor]:
    extractor = extractors.make(extractors.markdown(minilm))
    yield extractor
    extractor.close()


def still_reads(extractor: IsolatedExtractor) -> bool:
    return extractor.extract(b"the next", name="next.txt").text == "the next"


@pytest.mark.parametrize("order", ["sleep", "spin", "chunk sleep", "chunk spin"])
def test_hangs(hasty: IsolatedExtractor, order: str) -> None:
    with pytest.raises(DocumentTimeout, match=r"bad\.txt took over 0\.5 s"):
        hasty.extract(order.encode(), name="bad.txt")


def test_chunking_alone_hangs(hasty: IsolatedExtractor) -> None:
    with pytest.raises(DocumentTimeout):
        hasty.split("chunk sleep", name="bad.txt")


def test_large_document_for_a_child_that_does_not_read(hasty: IsolatedExtractor) -> None:
    hasty.extract(b"starts", name="a.txt")
    assert hasty.pid is not None
    os.kill(hasty.pid, signal.SIGSTOP)
    with pytest.raises(DocumentTimeout):
        hasty.extract(b"x" * 50_000_000, name="large.txt")
    assert hasty.pid is None


def test_children_of_the_child_end_with_it(evil: IsolatedExtractor) -> None:
    grandchild = int(evil.extract(b"leave", name="a.txt").text)
    os.kill(grandchild, 0)
    evil.close()
    while Path(f"/proc/{grandchild}/stat").exists():  # init reaps it
        if Path(f"/proc/{grandchild}/stat").read_text().split()[2] == "Z":
            break


@pytest.mark.parametrize(
    "order", ["eat", "hoard", "kill 9", "kill 11", "kill 6", "exit", "close", "chunk kill 11"]
)
def test_dies(evil: IsolatedExtractor, order: str) -> None:
    with pytest.raises(DocumentUnreadable, match=r"process died on bad\.txt"):
        evil.extract(order.encode(), name="bad.txt")
    assert still_reads(evil)


def test_out_of_cpu_time(evil: IsolatedExtractor) -> None:
    with pytest.raises(DocumentTimeout):
        evil.extract(b"kill %d" % signal.SIGXCPU, name="bad.txt")


@pytest.mark.parametrize("order", ["raise KeyError('x')", "raise RecursionError()", "wrong"])
def test_has_a_bug(evil: IsolatedExtractor, order: str) -> None:
    evil.extract(b"starts", name="a.txt")
    pid = evil.pid
    with pytest.raises(DocumentUnreadable, match=r"bad\.txt can't be parsed"):
        evil.extract(order.encode(), name="bad.txt")
    assert still_reads(evil)
    assert evil.pid == pid


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ("raise DocumentTooLarge('by itself', 'hint')", DocumentTooLarge),
        ("raise DocumentTimeout('by itself', 'hint')", DocumentTimeout),
        ("raise DocumentError('by itself', 'hint')", DocumentUnreadable),
        ("raise type('Own', (DocumentError,), {})('by itself', 'hint')", DocumentUnreadable),
    ],
)
def test_refuses(evil: IsolatedExtractor, order: str, kind: type[DocumentError]) -> None:
    with pytest.raises(kind, match="by itself") as caught:
        evil.extract(order.encode(), name="b.txt")
    assert (type(caught.value), caught.value.hint) == (kind, "hint")


def test_long_error(evil: IsolatedExtractor) -> None:
    with pytest.raises(DocumentUnreadable) as caught:
        evil.extract(b"raise ValueError('x\\x00\\ud800' * 100_000)", name="bad.txt")
    assert len(caught.value.message) == 1_000
    assert caught.value.message.isprintable()


# --- limits on what comes out --------------------------------------------------------------


def test_text_above_the_limit(evil: IsolatedExtractor) -> None:
    with pytest.raises(DocumentTooLarge, match=r"1001 characters of text, over 1000"):
        evil.extract(b"x" * 1001, name="bad.txt")
    assert len(evil.extract(b"x" * 1000, name="good.txt").text) == 1000


def test_chunks_above_the_limit(evil: IsolatedExtractor) -> None:
    with pytest.raises(DocumentTooLarge, match="11 chunks, over 10"):
        evil.extract(b"x\n" * 11, name="bad.txt")
    assert len(evil.extract(b"x\n" * 10, name="good.txt").spans) == 10


def test_title_and_metadata_are_cut(evil: IsolatedExtractor) -> None:
    found = evil.extract(b"metadata", name="a.txt")
    assert found.title == "t" * 50
    assert len(found.metadata) == 64
    assert {len(value) for value in found.metadata.values()} == {50}
    assert max(map(len, found.metadata)) == 200
    assert [len(mark.label) for mark in found.pages] == [200]


def test_nothing_unclean_comes_out(evil: IsolatedExtractor) -> None:
    found = evil.extract(b"unclean", name="a\udcff.txt")
    assert (found.text, found.title, found.metadata) == ("ab", "t u", {"k": "v"})
    assert found.pages == (Mark(0, "p"),)


def test_secrets_stay_with_us(evil: IsolatedExtractor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-aws-alone")
    names = evil.extract(b"environment", name="a.txt").text.split()
    assert "PATH" in names
    assert "AWS_SECRET_ACCESS_KEY" not in names


def test_writes_no_file(evil: IsolatedExtractor, tmp_path: Path) -> None:
    with pytest.raises(DocumentUnreadable, match="File too large"):
        evil.extract(f"write {tmp_path / 'x'}".encode(), name="bad.txt")


# --- a child that lies ---------------------------------------------------------------------

GOOD = {"paths": [[[1, "Head"]], []], "labels": ["1"], "spans": [[0, 3, 0, 1, 0]]}


def framed(head: bytes, body: bytes = b"words") -> str:
    return f"answer {len(head).to_bytes(8, 'big') + len(body).to_bytes(8, 'big') + head + body!r}"


def lies() -> dict[str, str]:
    spans = {
        "beyond": [[0, 6, 0, 1, 0]],
        "backwards": [[3, 1, 0, 1, 0]],
        "empty": [[1, 1, 0, 1, 0]],
        "negative": [[-1, 1, 0, 1, 0]],
        "overlapping": [[0, 3, 0, 1, 0], [2, 4, 0, 1, 0]],
        "no such path": [[0, 3, 9, 1, 0]],
        "no such label": [[0, 3, 0, 1, 9]],
        "of another type": [["0", 3, 0, 1, 0]],
        "short": [[0, 3]],
    }
    heads: dict[str, object] = {
        f"span {key}": GOOD | {"spans": value} for key, value in spans.items()
    }
    heads |= {
        "unknown key": GOOD | {"more": 1},
        "list": [GOOD],
        "level": GOOD | {"paths": [[[7, "x"]], []]},
        "long heading": GOOD | {"paths": [[[1, "x" * 201]], []]},
        "long path": GOOD | {"paths": [[[1, "x"]] * 7, []]},
        "long label": GOOD | {"labels": ["x" * 201]},
        "much metadata": GOOD | {"metadata": {str(n): "" for n in range(65)}},
        "metadata of another type": GOOD | {"metadata": {"a": 1}},
        "long error": {"error": ["x", "y" * 1_001, ""]},
        "page beyond": GOOD | {"pages": [[6, "x"]]},
        "pages unsorted": GOOD | {"pages": [[2, "x"], [1, "y"]]},
        "attachments beyond": GOOD | {"attachments": [["a.pdf", "application/pdf", 99]]},
        "attachment of negative size": GOOD | {"attachments": [["a.pdf", "application/pdf", -1]]},
        "many attachments": GOOD | {"attachments": [["a", "b", 0]] * 101},
        "null": None,
    }
    found = {name: framed(json.dumps(head).encode()) for name, head in heads.items()}
    return found | {
        "no JSON": framed(b"words"),
        "deep JSON": framed(b"[" * 1_000),
        "empty": framed(b""),
        "pickle": framed(pickle.dumps(GOOD)),
        "text that is no UTF-8": framed(json.dumps(GOOD).encode(), b"\xff\xfe"),
    }


@pytest.mark.parametrize("name", lies())
def test_lies(evil: IsolatedExtractor, name: str) -> None:
    with pytest.raises(DocumentUnreadable, match=r"answered nonsense for bad\.txt"):
        evil.extract(lies()[name].encode(), name="bad.txt")
    assert evil.pid is None


def test_truth(evil: IsolatedExtractor) -> None:
    answer = framed(json.dumps(GOOD).encode())
    (span,) = evil.extract(answer.encode(), name="good.txt").spans
    assert (span.start, span.end, span.path, span.above, span.page) == (
        0,
        3,
        ((1, "Head"),),
        (),
        "1",
    )


@pytest.mark.parametrize("sizes", [(2**40, 0), (0, 2**40), (2**64 - 1, 2**64 - 1)])
def test_answer_above_the_limit(evil: IsolatedExtractor, sizes: tuple[int, int]) -> None:
    order = b"".join(size.to_bytes(8, "big") for size in sizes)
    with pytest.raises(DocumentTooLarge, match=r"made of bad\.txt is too large"):
        evil.extract(f"answer {order!r}".encode(), name="bad.txt")
    assert still_reads(evil)


def test_more_chunks_than_allowed_by_a_liar(evil: IsolatedExtractor) -> None:
    spans = [[n, n + 1, 0, 1, 0] for n in range(11)]
    answer = framed(json.dumps(GOOD | {"spans": spans}).encode(), b"x" * 20)
    with pytest.raises(DocumentTooLarge, match="over 10 chunks"):
        evil.extract(answer.encode(), name="bad.txt")


# --- the life of a child -------------------------------------------------------------------


def test_close_is_idempotent_and_the_next_call_starts_again(evil: IsolatedExtractor) -> None:
    evil.close()
    assert still_reads(evil)
    evil.close()
    evil.close()
    assert still_reads(evil)


def test_killed_between_two_documents(evil: IsolatedExtractor) -> None:
    assert still_reads(evil)
    pid = evil.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert still_reads(evil)


def test_death_of_old_age_is_not_the_documents_fault(evil: IsolatedExtractor) -> None:
    for _ in range(5):
        assert evil.extract(b"old", name="a.txt").text == "old"


def test_replaced_after_so_many_documents(plugins: None) -> None:
    extractor = extractors.make(ChunkerSpec("lines"), max_requests=2)
    pids = []
    for _ in range(5):
        extractor.extract(b"words", name="a.txt")
        pids.append(extractor.pid)
    extractor.close()
    assert (pids[0], pids[2], len(set(pids))) == (pids[1], pids[3], 3)


def test_replaced_once_it_has_grown(plugins: None) -> None:
    extractor = extractors.make(ChunkerSpec("lines"), recycle_rss_bytes=300 * 2**20)
    pids = []
    for order in (b"words", b"leak 400", b"words"):
        extractor.extract(order, name="a.txt")
        pids.append(extractor.pid)
        if resident_bytes(os.getpid()) == 0:
            pytest.skip("there is no /proc")
    extractor.close()
    assert pids[0] == pids[1] != pids[2]


def test_interrupted_while_it_waits(evil: IsolatedExtractor) -> None:
    """Its answer must not pass for that to the next document."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    assert still_reads(evil)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            evil.extract(b"sleep", name="a.txt")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert evil.pid is None
    assert still_reads(evil)


@pytest.mark.parametrize(
    ("chunker", "memory_bytes", "message"),
    [
        (ChunkerSpec("nobody"), 2**30, "no plugin 'nobody'"),
        (ChunkerSpec("lines", {"hang": "up"}), 2**30, "ValueError: up"),
        (ChunkerSpec("lines"), 2**20, "did not start"),
    ],
)
def test_child_that_does_not_start(
    plugins: None, chunker: ChunkerSpec, memory_bytes: int, message: str
) -> None:
    extractor = extractors.make(chunker, memory_bytes=memory_bytes)
    with pytest.raises(SetupError, match=message):
        extractor.extract(b"words", name="a.txt")
    assert extractor.pid is None


def test_limits_are_for_the_child_alone(extractor: IsolatedExtractor) -> None:
    import resource

    kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
    before = [resource.getrlimit(kind) for kind in kinds]
    extractor.extract(b"words", name="a.txt")
    assert [resource.getrlimit(kind) for kind in kinds] == before


def test_descriptors_are_given_back(extractor: IsolatedExtractor) -> None:
    extractor.extract(b"words", name="a.txt")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    for _ in range(3):
        extractor.close()
        extractor.extract(b"words", name="a.txt")
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    assert after == before


# --- what it finds -------------------------------------------------------------------------


def test_extraction(extractor: IsolatedExtractor) -> None:
    lines = [(12.0, f"Line {n} of the page says something plain.") for n in range(40)]
    found = extractor.extract(make_pdf([lines, lines], title="The report"), name="a.pdf")
    assert (found.title, found.metadata) == ("The report", {"pages": "2"})
    assert [mark.label for mark in found.pages] == ["1", "2"]
    assert {span.page for span in found.spans} == {"1", "2"}
    assert found.text[found.spans[0].start :].startswith("Line 0 of the page")


def test_first_heading_is_the_title(extractor: IsolatedExtractor) -> None:
    assert extractor.extract(b"<h1>Heading</h1><p>words</p>", name="a.html").title == "Heading"
    assert extractor.extract(b"# comment", name="a.txt").title == "comment"
    assert extractor.extract(b"no heading", name="a.md").title is None


def test_chunking_again_gives_the_same(extractor: IsolatedExtractor) -> None:
    lines = [(12.0, f"Line {n} of the page says something plain.") for n in range(40)]
    found = extractor.extract(make_pdf([lines, lines]), name="a.pdf")
    assert extractor.split(found.text, found.pages, name="a.pdf") == found.spans
    assert {span.page for span in extractor.split(found.text, name="a.pdf")} == {None}


def test_nothing_to_chunk(extractor: IsolatedExtractor) -> None:
    with pytest.raises(DocumentUnreadable, match=r"a\.md has no text"):
        extractor.split(" \n ", name="a.md")
    with pytest.raises(DocumentUnreadable, match=r"a\.txt has no text"):
        extractor.extract(b"\x01\x02\x03", name="a.txt")


BAD = {
    "empty.md": b"",
    "spaces.txt": b" \n\t ",
    "binary.txt": bytes(range(256)) * 20,
    "huge.txt": b"word " * 500_000,
    "bomb.docx": samples.packed({"word/document.xml": b" " * (40 * 2**20)}),
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
ODD = {
    "wrong-extension.docx": (b"only words", "only words"),
    "wrong-extension.txt": (samples.sample_pdf(), "quick brown fox"),
    "noext": (b"words", "words"),
    "invalid.txt": (b"words \xff\xfe\x80 words", "words"),
    "line.md": (b"x " * 100_000, "x x x"),
    "line.html": (b"<p>" + b"x " * 100_000, "x x x"),
    "line.csv": (b"x " * 100_000, "x x x"),
    "tags.html": (b"<div>" * 1_000 + b"words", "words"),
    "no-index.pdf": (samples.sample_pdf().replace(b"\nxref", b"\nxerf"), "quick brown fox"),
    "half.html": (b"<table><tr><td>words", "words"),
}


def test_bad_documents_cost_nobody_else(extractor: IsolatedExtractor) -> None:
    for name, data in BAD.items():
        with pytest.raises(DocumentError) as caught:
            extractor.extract(data, name=name)
        assert name in caught.value.message, name
        assert still_reads(extractor)


@pytest.mark.parametrize("name", ODD)
def test_odd_documents(extractor: IsolatedExtractor, name: str) -> None:
    data, text = ODD[name]
    assert text in extractor.extract(data, name=name).text
