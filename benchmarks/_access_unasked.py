"""The routes that the oracle does not ask, each with the reason why it shows no document."""

from __future__ import annotations

from typing import Final

_MODELS: Final = "asks a model alone: it knows what its caller sends"
_ACCOUNTS: Final = "users, groups, keys and roles: no document has to do with them"
_LOGIN: Final = "begins or ends a session"

UNASKED: Final = {
    "POST /v1/documents": "takes documents in: its answer has the names that its caller sent. That "
    "the name of one it may not read is taken (409) is documented, and tested in tests/auth",
    "POST /v1/chat/completions": _MODELS,
    "POST /v1/embeddings": _MODELS,
    "POST /v1/rerank": _MODELS,
    "POST /v1/sources/{source_id}/sync": "as the source itself, or that its caller "
    "may not write; tested in tests/api",
    "GET /v1/models": "the names of models, out of the settings",
    "GET /v1/models/{model}": "the names of models, out of the settings",
    "GET /v1/me": _ACCOUNTS,
    "GET /v1/keys": _ACCOUNTS,
    "POST /v1/keys": _ACCOUNTS,
    "POST /v1/keys/{key_id}/rotate": _ACCOUNTS,
    "DELETE /v1/keys/{key_id}": _ACCOUNTS,
    "GET /v1/users": _ACCOUNTS,
    "POST /v1/users": _ACCOUNTS,
    "PUT /v1/users/{name}": _ACCOUNTS,
    "GET /v1/groups": _ACCOUNTS,
    "PUT /v1/groups/{group}": _ACCOUNTS,
    "DELETE /v1/groups/{group}": _ACCOUNTS,
    "GET /v1/grants": "roles in collections, for admins, who know of each collection",
    "PUT /v1/grants": "roles in collections, for admins, who know of each collection",
    "DELETE /v1/grants": "roles in collections, for admins, who know of each collection",
    "GET /auth/issuers": _LOGIN,
    "GET /auth/login/{issuer}": _LOGIN,
    "GET /auth/callback/{issuer}": _LOGIN,
    "POST /auth/logout": _LOGIN,
    "GET /healthz": "says that the process lives",
    "GET /readyz": "says which parts are up; numbers of collections to operators alone",
}
