"""Who may see what, by the definitions in docs/auth.md and without any short cut."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from smartypants.auth.roles import Role
from smartypants.types import PUBLIC


@dataclass(slots=True)
class Item:
    """A document as the model knows it."""

    id: str
    collection: str
    name: str
    principals: frozenset[str]
    failed: bool
    version: str

    @property
    def word(self) -> str:
        """That no other document has."""
        digest = hashlib.blake2b(self.id.encode(), digest_size=14).digest()
        return "".join(chr(ord("a") + byte % 26) for byte in digest)


@dataclass(slots=True)
class Company:
    """What the model believes; `World` makes the system the same."""

    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    grants: dict[tuple[str, str], Role] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)

    def principals(self, user: str) -> set[str]:
        mine = {f"group:{name}" for name, members in self.members.items() if user in members}
        return {PUBLIC, f"user:{user}", *mine}

    def role_in(self, user: str, collection: str) -> Role:
        if self.roles[user] is Role.ADMIN:
            return Role.ADMIN
        here = {who: role for (name, who), role in self.grants.items() if name == collection}
        if not here:
            return self.roles[user]
        own = [role for who, role in here.items() if who in self.principals(user)]
        return Role.EDITOR if Role.EDITOR in own else Role.READER if own else Role.NONE

    def sees(self, user: str, collection: str) -> bool:
        return self.role_in(user, collection) is not Role.NONE

    def edits(self, user: str, collection: str) -> bool:
        return self.role_in(user, collection) in (Role.EDITOR, Role.ADMIN)

    def may_read(self, user: str, item: Item) -> bool:
        shared = bool(item.principals & self.principals(user))
        return shared and self.sees(user, item.collection)


@dataclass(slots=True)
class Verdicts:
    """Triples of a user, a document and a route, and those where the system was wrong."""

    triples: Counter[str] = field(default_factory=Counter)
    leaks: list[tuple[str, str, str]] = field(default_factory=list)
    false_denials: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, user: str, name: str, route: str, *, shown: int, right: int) -> None:
        """Of a document or what else has this name: whether it was shown, or how much of it."""
        self.triples[route] += 1
        if shown != right:
            wrong = self.leaks if shown > right else self.false_denials
            wrong.append((user, name, route))

    @property
    def total(self) -> int:
        return sum(self.triples.values())
