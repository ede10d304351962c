"""Events in the shape of the Open Cybersecurity Schema Framework (OCSF)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from smartypants.auditing.events import Event
from smartypants.auditing.source import Source, current, here

SCHEMA: Final = "1.8.0"
SUCCESS, FAILURE = 1, 2
_INFORMATIONAL, _LOW = 1, 2
_USER_TYPES: Final = {"user": 1, "admin": 2, "system": 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with who did it and when; equal refusals may stand in one entry."""

    event: Event
    source: Source
    time_ms: int
    count: int = 1
    until_ms: int = 0

    @classmethod
    def now(cls, event: Event) -> Entry:
        return cls(event, current(), int(time.time() * 1000))

    def joined(self, other: Entry) -> Entry:
        """This one and a later one as one."""
        return replace(self, count=self.count + other.count, until_ms=other.time_ms)


def record(entry: Entry, sequence: int) -> dict[str, Any]:
    """The record as it is kept: whole numbers and texts alone, so that it has one form."""
    event, source = entry.event, entry.source
    activity = event.activity
    failed = event.failure is not None
    found: dict[str, Any] = {
        "class_uid": activity.class_uid,
        "class_name": activity.class_name,
        "category_uid": activity.class_uid // 1000,
        "activity_id": activity.id,
        "activity_name": activity.name,
        "type_uid": activity.class_uid * 100 + activity.id,
        "time": entry.time_ms,
        "severity_id": _LOW if failed else _INFORMATIONAL,
        "status_id": FAILURE if failed else SUCCESS,
        "status": "Failure" if failed else "Success",
        "metadata": {
            "version": SCHEMA,
            "product": _product(),
            "log_name": "audit",
            "sequence": sequence,
        },
        "actor": {"user": _user(source)},
        "api": {"operation": source.operation},
        "src_endpoint": {"ip": source.ip} if source.ip else {"hostname": here()},
        **event.about,
    }
    if failed:
        found["status_code"] = event.failure
    if source.request_id:
        found["metadata"]["correlation_uid"] = source.request_id
        found["api"]["request"] = {"uid": source.request_id}
    if source.user_agent:
        found["http_request"] = {"user_agent": source.user_agent}
    if entry.count > 1:
        found |= {"count": entry.count, "start_time": entry.time_ms, "end_time": entry.until_ms}
    if event.detail:
        found["unmapped"] = dict(event.detail)
    return found


def _user(source: Source) -> dict[str, Any]:
    kind = "admin" if source.admin else "user" if source.kind == "person" else "system"
    found: dict[str, Any] = {"name": source.name, "type": source.kind, "type_id": _USER_TYPES[kind]}
    if source.user_id:
        found["uid"] = source.user_id
    if source.key_id:
        found["credential_uid"] = source.key_id
    return found


@cache
def _product() -> dict[str, str]:
    return {
        "name": "SmartyPants",
        "vendor_name": "SmartyPants",
        "version": version("smartypants"),
    }
