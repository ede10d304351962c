"""Who may see what, by the definitions in docs/auth.md and without any short cut."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from smartypants.auth.roles import Role
from smartypants.types import PUBLIC, DocumentRef, Relation, RelationKind


@dataclass(slots=True)
class Item:
    """A document as the model knows it; `whole` is the name of one that it is attached to."""

    collection: str
    name: str
    principals: frozenset[str]
    failed: bool
    version: str
    whole: str | None = None
    deleted: bool = False
    id: str = field(init=False)
    word: str = field(init=False)
    """That no other document has."""

    def __post_init__(self) -> None:
        self.id = self.ref.document_id
        digest = hashlib.blake2b(self.id.encode(), digest_size=14).digest()
        self.word = "".join(chr(ord("a") + byte % 26) for byte in digest)

    @property
    def ref(self) -> DocumentRef:
        """What a source says of it."""
        relations = () if self.whole is None else (_attached(self.whole),)
        principals = tuple(sorted(self.principals))
        return DocumentRef(
            self.collection,
            _uri(self.name),
            self.name,
            "1",
            1,
            principals=principals,
            relations=relations,
        )

    @property
    def found(self) -> bool:
        """Whether searches find it, for whoever may read it."""
        return not self.failed and not self.deleted

    def beside(self, other: Item) -> bool:
        """Whether the other one is shown beside it: it has the same content, or one is attached."""
        same = self.found and other.found and self.version == other.version
        attached = self.collection == other.collection and (
            self.whole == other.name or other.whole == self.name
        )
        return not other.deleted and (same or attached)


def _uri(name: str) -> str:
    return f"s3://x/{name}"


def _attached(name: str) -> Relation:
    return Relation(RelationKind.ATTACHMENT_OF, _uri(name))


@dataclass(slots=True)
class Talk:
    """A conversation, and of which documents each of its turns may tell."""

    id: str
    owner: str
    collection: str
    turns: list[frozenset[str]] = field(default_factory=list)


@dataclass(slots=True)
class Company:
    """What the model believes; `World` makes the system the same."""

    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    grants: dict[tuple[str, str], Role] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    talks: list[Talk] = field(default_factory=list)

    def principals(self, user: str) -> set[str]:
        mine = {f"group:{name}" for name, members in self.members.items() if user in members}
        return {PUBLIC, f"user:{user}", *mine}

    def admin(self, user: str) -> bool:
        return self.roles[user] is Role.ADMIN

    def role_in(self, user: str, collection: str) -> Role:
        if self.admin(user):
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

    def reads_anything(self, user: str) -> bool:
        return self.roles[user] is not Role.NONE or bool(self._given(user))

    def edits_anything(self, user: str) -> bool:
        by_role = self.roles[user] in (Role.EDITOR, Role.ADMIN)
        return by_role or Role.EDITOR in self._given(user)

    def _given(self, user: str) -> set[Role]:
        mine = self.principals(user)
        return {role for (_, who), role in self.grants.items() if who in mine}

    def may_read(self, user: str, item: Item) -> bool:
        shared = bool(item.principals & self.principals(user))
        return shared and self.sees(user, item.collection)

    def finds(self, user: str, item: Item) -> bool:
        return item.found and self.may_read(user, item)

    def may_hear(self, user: str, told: Iterable[str]) -> bool:
        """Whether what tells of these documents may be shown."""
        return all(
            not item.deleted and self.may_read(user, item)
            for item in (self.items[each] for each in told)
        )


class Seen(NamedTuple):
    """Of a document, or what else has this name: whether a route showed it, or how much of it,
    and whether it should have."""

    route: str
    name: str
    shown: int
    right: int


@dataclass(slots=True)
class Verdicts:
    """Triples of a user, a document and a route, and those where the system was wrong."""

    triples: Counter[str] = field(default_factory=Counter)
    leaks: list[tuple[str, str, str]] = field(default_factory=list)
    false_denials: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, user: str, seen: Seen) -> None:
        self.triples[seen.route] += 1
        if seen.shown != seen.right:
            wrong = self.leaks if seen.shown > seen.right else self.false_denials
            wrong.append((user, seen.name, seen.route))

    @property
    def total(self) -> int:
        return sum(self.triples.values())
