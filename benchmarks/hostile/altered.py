"""Real files, cut and altered in ways that follow from a seed."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.hostile.archives import HANDBOOK, packed

REAL: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "docs"
MAX_SEED_BYTES: Final = 300_000


@dataclass(frozen=True, slots=True)
class Change:
    """One file, one way to spoil it, and the seed of what is random in that."""

    way: str
    name: str
    path: Path
    other: Path
    seed: int


def seeds() -> list[Path]:
    """The real files that are altered: the sample corpus, and more where there are more."""
    more = sorted(REAL.glob("*/*")) if REAL.is_dir() else []
    files = [*sorted(HANDBOOK.iterdir()), *more]
    return [path for path in files if path.is_file() and 0 < path.stat().st_size < MAX_SEED_BYTES]


def changes(*, seed: int, count: int) -> Iterator[Change]:
    """Each file in turn is spoiled in one way, then each in the next way."""
    rng = random.Random(seed)
    files, ways = seeds(), list(WAYS)
    rng.shuffle(files)
    for number in range(count):
        path, other = files[number % len(files)], rng.choice(files)
        way = ways[(number + number // len(files)) % len(ways)]
        name = other.name if way == "renamed" else path.name
        yield Change(way, name, path, other, rng.getrandbits(64))


def apply(change: Change) -> bytes:
    spoil = WAYS[change.way]
    rng = random.Random(change.seed)
    return spoil(rng, change.path.read_bytes(), change.other.read_bytes())


def _truncated(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _beheaded(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[rng.randrange(len(data)) :]


def _flipped(rng: random.Random, data: bytes, other: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 8, 64, 512))):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at, start = rng.randrange(len(data)), rng.randrange(len(other))
    piece = other[start : start + rng.randrange(1, 4_096)]
    return data[:at] + piece + data[at + rng.choice((0, len(piece))) :]


def _repeated(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randrange(1, 256)]
    return data[:start] + piece * rng.choice((2, 50, 2_000)) + data[start:]


def _holed(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start = rng.randrange(len(data))
    end = start + rng.randrange(1, 2_048)
    return data[:start] + rng.choice((b"", b"\x00" * (end - start))) + data[end:]


_TOKENS: Final = (
    b"<", b">", b"</", b"&", b"]]>", b"<!--", b'"', b"0", b"-1", b"4294967296", b"1e999",
    b"99999999999999999999", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"endstream", b"obj", b"<<",
    b"(", b"[", b"{", b"}", b"\r\n\r\n", b"=?utf-8?q?", b"\xcc\x81", b"#", b"|", b"`", b"/Kids",
)  # fmt: skip


def _worded(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Words that parsers give a meaning to, where none belongs."""
    out = data
    for _ in range(rng.choice((1, 4, 16))):
        at = rng.randrange(len(out))
        out = out[:at] + rng.choice(_TOKENS) * rng.choice((1, 1, 100)) + out[at:]
    return out


def _members(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """An archive whose members are spoiled, but packed soundly; other files are flipped."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {item.filename: archive.read(item) for item in archive.infolist()}
    except (zipfile.BadZipFile, OSError, NotImplementedError, zlib.error, RuntimeError):
        return _worded(rng, data, other)
    spoil = (_truncated, _flipped, _spliced, _repeated, _holed, _worded, _worded, _flipped)
    names = [name for name in members if members[name]]
    for name in rng.sample(names, min(len(names), rng.choice((1, 1, 3)))):
        members[name] = rng.choice(spoil)(rng, members[name], other)
    if rng.random() < 0.1 and names:
        del members[rng.choice(names)]
    return packed(members)


def _same(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data


WAYS: Final[Mapping[str, Callable[[random.Random, bytes, bytes], bytes]]] = {
    "truncated": _truncated,
    "members": _members,
    "flipped": _flipped,
    "spliced": _spliced,
    "worded": _worded,
    "repeated": _repeated,
    "holed": _holed,
    "renamed": _same,
    "beheaded": _beheaded,
}
