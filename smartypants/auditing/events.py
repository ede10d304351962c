"""What can happen, as OCSF classes it: one function a kind of event.

Nothing here takes a secret: keys, sessions and logins are named by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity of an OCSF class."""

    class_uid: int
    class_name: str
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to what. `about` has attributes of the class, `detail` what OCSF has no
    place for; `failure` is the code of the error where it was refused."""

    activity: Activity
    about: Mapping[str, Any]
    detail: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None


_ACCOUNT: Final = (3001, "Account Change")
_AUTHENTICATION: Final = (3002, "Authentication")
_ENTITY: Final = (3004, "Entity Management")
_ACCESS: Final = (3005, "User Access Management")
_API: Final = (6003, "API Activity")
_DATASTORE: Final = (6005, "Datastore Activity")

Change = Literal["Create", "Update", "Delete", "Enable", "Disable", "Activate"]
_CHANGES: Final = {
    "Create": 1, "Update": 3, "Delete": 4, "Enable": 8, "Disable": 9, "Activate": 10,
}  # fmt: skip
_METHODS: Final = {"POST": (1, "Create"), "PUT": (3, "Update"), "DELETE": (4, "Delete")}
_READ: Final = (2, "Read")
_SERVICE: Final = {"service": {"name": "SmartyPants"}}


def user_created(user_id: str, name: str, role: str) -> Event:
    about = {"user": {"uid": user_id, "name": name}}
    return Event(Activity(*_ACCOUNT, 1, "Create"), about, {"role": role})


def user_switched(user_id: str, name: str, *, disabled: bool) -> Event:
    activity = (5, "Disable") if disabled else (2, "Enable")
    return Event(Activity(*_ACCOUNT, *activity), {"user": {"uid": user_id, "name": name}})


def user_changed(user_id: str, **detail: str) -> Event:
    """Another name, a further login, or the groups that an issuer says."""
    about = {"user": {"uid": user_id}}
    return Event(Activity(*_ACCOUNT, 99, "Other"), about, detail)


def role_given(user_id: str, name: str, role: str) -> Event:
    about = {"user": {"uid": user_id, "name": name}, "privileges": [role]}
    return Event(Activity(*_ACCESS, 3, "Assign Role"), about)


def logged_in(user_id: str) -> Event:
    return Event(Activity(*_AUTHENTICATION, 1, "Logon"), {"user": {"uid": user_id}, **_SERVICE})


def logged_out(user_id: str) -> Event:
    return Event(Activity(*_AUTHENTICATION, 2, "Logoff"), {"user": {"uid": user_id}, **_SERVICE})


def login_failed(code: str) -> Event:
    about = {"user": {"name": "unknown"}, **_SERVICE}
    return Event(Activity(*_AUTHENTICATION, 1, "Logon"), about, failure=code)


def changed(kind: str, what: Change, uid: str, /, **detail: Any) -> Event:
    """A key, group, grant, collection, recipe, prompt, safety overrides or job."""
    activity = Activity(*_ENTITY, _CHANGES[what], what)
    known = {name: value for name, value in detail.items() if value is not None}
    return Event(activity, {"entity": {"uid": uid, "type": kind}}, known)


def documents_written(collection: str, document_ids: Sequence[str], **detail: str) -> Event:
    return _of_documents(5, "Write", collection, document_ids, detail)


def documents_deleted(collection: str, document_ids: Sequence[str]) -> Event:
    return _of_documents(7, "Delete", collection, document_ids, {})


def documents_shown(collection: str, document_ids: Iterable[str], what: str) -> Event:
    """One by one: with its text, its history, or beside others."""
    return _of_documents(1, "Read", collection, document_ids, {"shown": what})


def documents_listed(collection: str, document_ids: Iterable[str]) -> Event:
    return _of_documents(8, "List", collection, document_ids, {})


def documents_found(
    collection: str, document_ids: Iterable[str], *, query: str, cached: bool
) -> Event:
    """Shown for a query, which is given as it is to be kept."""
    found = _of_documents(4, "Query", collection, document_ids, {"cached": cached})
    return Event(
        found.activity, {**found.about, "query_info": {"query_string": query}}, found.detail
    )


def exported(what: str, **detail: str) -> Event:
    """Records, usage or a collection, as files."""
    resources = [{"uid": what, "type": "export"}]
    return Event(Activity(*_API, *_READ), {"resources": resources}, detail)


def denied(method: str, code: str) -> Event:
    return Event(Activity(*_API, *_METHODS.get(method, _READ)), {}, failure=code)


def _of_documents(
    number: int, name: str, collection: str, ids: Iterable[str], detail: Mapping[str, Any]
) -> Event:
    about = {
        "databucket": {"name": collection or "all", "type": "Collection", "type_id": 99},
        "resources": [{"uid": each, "type": "document"} for each in dict.fromkeys(ids)],
    }
    return Event(Activity(*_DATASTORE, number, name), about, detail)
