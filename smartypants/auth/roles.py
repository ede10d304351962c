"""What may be done, and which role may do it; `docs/auth.md` has the table."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What a route needs. The names are also the scopes of API keys."""

    NOTHING = "nothing"
    """Anybody may, known or not: health, and the login itself."""
    ACCOUNT = "account"
    """To see oneself, and to have keys of one's own."""
    DOCUMENTS_READ = "documents:read"
    DOCUMENTS_WRITE = "documents:write"
    COLLECTIONS_WRITE = "collections:write"
    COLLECTIONS_EXPORT = "collections:export"
    """To take out at once all that one may read there."""
    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    FEEDBACK_WRITE = "feedback:write"
    MODELS_USE = "models:use"
    PROMPTS_WRITE = "prompts:write"
    """What the language model is told everywhere; in one collection its editors may say so."""
    OPERATIONS_READ = "operations:read"
    ACCESS_MANAGE = "access:manage"
    AUDIT_READ = "audit:read"
    """Who did what, and saw what: of everybody."""


class Role(StrEnum):
    """What a user may do where no grant says otherwise."""

    NONE = "none"
    READER = "reader"
    EDITOR = "editor"
    SERVICE = "service"
    ADMIN = "admin"


GRANTABLE: Final = (Role.READER, Role.EDITOR)
"""What a user can be in a single collection."""

OF_COLLECTIONS: Final = frozenset(
    {
        Permission.DOCUMENTS_READ,
        Permission.DOCUMENTS_WRITE,
        Permission.COLLECTIONS_WRITE,
        Permission.COLLECTIONS_EXPORT,
        Permission.JOBS_READ,
        Permission.JOBS_WRITE,
        Permission.FEEDBACK_WRITE,
    }
)
"""Those that one can have in one collection, and not in another."""

_READS: Final = frozenset(
    {
        Permission.ACCOUNT,
        Permission.DOCUMENTS_READ,
        Permission.JOBS_READ,
        Permission.FEEDBACK_WRITE,
        Permission.MODELS_USE,
    }
)
_EDITS: Final = _READS | {
    Permission.DOCUMENTS_WRITE,
    Permission.COLLECTIONS_WRITE,
    Permission.COLLECTIONS_EXPORT,
    Permission.JOBS_WRITE,
}
_ALL: Final = frozenset(Permission) - {Permission.NOTHING}

PERMISSIONS: Final = {
    Role.NONE: frozenset({Permission.ACCOUNT}),
    Role.READER: _READS,
    Role.EDITOR: _EDITS,
    Role.SERVICE: _ALL - {Permission.ACCESS_MANAGE, Permission.ACCOUNT},  # as its keys' scopes say
    Role.ADMIN: _ALL,
}

SCOPES: Final = tuple(sorted(_ALL))


def higher(first: Role | None, second: Role) -> Role:
    """Of two grants the one that allows more."""
    return Role.EDITOR if Role.EDITOR in (first, second) else second
