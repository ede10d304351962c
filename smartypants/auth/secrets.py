"""Secrets that we hand out, and the hashes that we keep of them.

They are random and long (256 bits), so nobody finds one by trying hashes, and a fast hash
without salt is enough: slow ones, as for passwords, make up for secrets that people choose.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

KEY_PREFIX: Final = "sp"
SECRET_BYTES: Final = 32

_KEY = re.compile(rf"{KEY_PREFIX}_([0-9a-f]{{16}})_([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True)
class KeySecret:
    """An API key as its owner has it: `sp_ID_SECRET`; only the hash of it is kept."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"KeySecret({self.id!r}, '***')"

    @property
    def text(self) -> str:
        return f"{KEY_PREFIX}_{self.id}_{self.secret}"

    @property
    def hash(self) -> str:
        return hashed("key", self.text)

    @classmethod
    def new(cls) -> KeySecret:
        return cls(secrets.token_hex(8), new_secret())

    @classmethod
    def parse(cls, text: str) -> KeySecret | None:
        """None for what has not the form of a key."""
        found = _KEY.fullmatch(text)
        return None if found is None else cls(found[1], found[2])


def new_secret() -> str:
    """256 random bits, as text that URLs and cookies take."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hashed(purpose: str, secret: str) -> str:
    """What is kept of a secret; of another one for each purpose."""
    person = f"sp-{purpose}".encode()
    return hashlib.blake2b(secret.encode(), digest_size=32, person=person).hexdigest()


def derived(secret: str, purpose: str) -> str:
    """Another secret, that only those who know the first one can tell."""
    return hmac.digest(secret.encode(), purpose.encode(), "sha256").hex()


def same(first: str, second: str) -> bool:
    """Takes as long for texts that nearly agree as for others."""
    return hmac.compare_digest(first.encode(), second.encode())
