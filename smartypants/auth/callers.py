"""Who asks: what one request may see and do, resolved once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from smartypants.auth.reach import EVERYWHERE, Reach
from smartypants.auth.roles import OF_COLLECTIONS, PERMISSIONS, Permission, Role
from smartypants.errors import CollectionNotFound, Forbidden
from smartypants.types import PUBLIC

How = Literal["open", "key", "token", "session"]
Kind = Literal["person", "service", "local"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known, or the local caller where nobody has to be.

    `principals` decide which documents may be read, whatever the role; `role` and `grants` what
    may be done. `grants` has each collection that has any: with the caller's role in it, or None
    for one that is not for this caller. `scopes` narrow further what an API key may.
    """

    id: str
    name: str
    kind: Kind
    role: Role
    how: How
    principals: tuple[str, ...] = (PUBLIC,)
    grants: Mapping[str, Role | None] = field(default_factory=dict)
    scopes: frozenset[Permission] | None = None
    groups: tuple[str, ...] = ()
    expires_at: float | None = None
    """When what it authenticated with ends (Unix time)."""
    key_id: str = ""
    """Of the API key that it authenticated with; empty for other ways."""
    csrf_token: str | None = field(default=None, repr=False)
    """What unsafe requests of a browser's session carry."""

    def may(self, permission: Permission, collection: str | None = None) -> bool:
        """In the collection; without one: by the role alone, or in any collection at all."""
        if permission is Permission.NOTHING:
            return True
        if self.scopes is not None and permission not in self.scopes:
            return False
        if self.role is Role.ADMIN or permission not in OF_COLLECTIONS:
            return permission in PERMISSIONS[self.role]
        if collection is None:
            roles = {self.role, *self.grants.values()}
            return any(permission in PERMISSIONS[role] for role in roles if role is not None)
        role = self.grants.get(collection, self.role)
        return role is not None and permission in PERMISSIONS[role]

    def check(self, permission: Permission, collection: str | None = None) -> None:
        """Raises `Forbidden`; or `CollectionNotFound`, where the collection is not for the caller
        to know of, and it would get that for one that is not there."""
        if self.may(permission, collection):
            return
        if collection is not None and not self.sees(collection):
            by_role = Permission.DOCUMENTS_READ in PERMISSIONS[self.role]
            if self._by_role(permission) if by_role else self.may(permission):
                raise unknown_collection(collection)
        where = "" if collection is None else f" in collection {collection!r}"
        raise Forbidden(
            f"{self.name} lacks the permission {permission}{where}.",
            "An admin can give a role or a grant; a key needs the scope too.",
        )

    def _by_role(self, permission: Permission) -> bool:
        scoped = self.scopes is None or permission in self.scopes
        return scoped and permission in PERMISSIONS[self.role]

    def sees(self, collection: str) -> bool:
        """Whether the caller may know of the collection, if there is one."""
        return self.reach.has(collection)

    @property
    def reach(self) -> Reach:
        """The collections that the caller may know of."""
        return self._where(Permission.DOCUMENTS_READ)

    @property
    def edits(self) -> Reach:
        """Those that it is an editor of, whatever its key may do there."""
        return self._where(Permission.DOCUMENTS_WRITE)

    def _where(self, permission: Permission) -> Reach:
        if self.role is Role.ADMIN:
            return EVERYWHERE
        has = {
            name
            for name, role in self.grants.items()
            if role is not None and permission in PERMISSIONS[role]
        }
        if permission in PERMISSIONS[self.role]:
            return Reach(but=frozenset(self.grants) - has)
        return Reach(only=frozenset(has))

    def narrowed(self, scopes: frozenset[Permission] | None) -> frozenset[Permission] | None:
        """The scopes of a key that this caller makes: never more than its own."""
        if self.scopes is None:
            return scopes
        return self.scopes if scopes is None else self.scopes & scopes


def unknown_collection(name: str) -> CollectionNotFound:
    """The same for one that is not there and one that is not for the caller."""
    return CollectionNotFound(
        f"There is no collection {name!r}.", "GET /v1/collections lists yours."
    )


LOCAL = Caller("local", "local", "local", Role.ADMIN, "open")
"""Everybody, where authentication is switched off."""
