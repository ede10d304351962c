"""The hash chain: each record's hash covers the former one's, so none can change unnoticed.

A record's body is its JSON with sorted keys, in ASCII and without white space; its hash is
SHA-256 over its number, the former hash and the body, or the HMAC of that with a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_PREFIX: Final = "smartypants-audit-1"
MAX_FAULTS: Final = 100


@dataclass(frozen=True, slots=True)
class Anchor:
    """A record by its number and hash; `text` is how people keep it: `NUMBER:HASH`."""

    id: int
    hash: str

    @property
    def text(self) -> str:
        return f"{self.id}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Anchor | None:
        number, _, digest = text.strip().partition(":")
        if not (number.isascii() and number.isdigit()) or len(digest) != len(GENESIS.hash):
            return None
        return cls(int(number), digest)


GENESIS: Final = Anchor(0, "0" * 64)
"""What the first record follows."""


@dataclass(frozen=True, slots=True)
class Link:
    """A record as it is kept; `signed` says that its hash took a secret."""

    id: int
    body: str
    hash: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at a record."""

    id: int
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What verifying found; the anchor names the last record."""

    records: int
    anchor: Anchor
    faults: tuple[Fault, ...]


def canonical(record: Mapping[str, Any]) -> str:
    return json.dumps(
        record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest(number: int, former: str, body: str, secret: str | None) -> str:
    covered = f"{_PREFIX}\n{number}\n{former}\n{body}".encode()
    if secret is None:
        return hashlib.sha256(covered).hexdigest()
    return hmac.digest(secret.encode(), covered, "sha256").hex()


def verify(
    links: Iterable[Link],
    *,
    secrets: Sequence[str] = (),
    after: Anchor = GENESIS,
    anchors: Sequence[Anchor] = (),
) -> Report:
    """Find records that were changed, removed, put elsewhere or made up.

    `secrets` may have signed them, and then the last record is signed. `after` is what the
    first record follows. Records that were cut off at the end, or all of them made anew, only
    an anchor tells that was kept elsewhere.
    """
    faults: list[Fault] = []
    wanted = {anchor.id: anchor.hash for anchor in anchors}
    former, count, signed = after, 0, False

    def fault(number: int, what: str) -> None:
        if len(faults) < MAX_FAULTS:
            faults.append(Fault(number, what))

    for link in links:
        count += 1
        if link.id != former.id + 1:
            fault(link.id, f"follows {former.id}: records between them are missing")
        keys: Sequence[str | None] = secrets if link.signed else [None]
        if not any(same(link, former.hash, key) for key in keys):
            fault(link.id, "its hash is not that of its content and of the record before")
        if signed and not link.signed:
            fault(link.id, "is not signed, and records before it are")
        signed = signed or link.signed
        if wanted.pop(link.id, link.hash) != link.hash:
            fault(link.id, "is another record than the anchor names")
        former = Anchor(link.id, link.hash)
    if secrets and count and not signed:
        fault(former.id, "no record is signed, though there is a key")
    for number in sorted(wanted):
        fault(number, "an anchor names it, and it is not there")
    return Report(count, former, tuple(faults))


def same(link: Link, former: str, secret: str | None) -> bool:
    return hmac.compare_digest(link.hash, digest(link.id, former, link.body, secret))
