"""What users are shown besides documents: counts of them, jobs, usage, the audit log."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._access_documents import mentioned
from benchmarks._access_model import Seen
from benchmarks._access_world import COLLECTIONS, USED, USERS, World


def seen(world: World, user: str) -> Iterator[Seen]:
    yield from _counted(world, user)
    yield from _worked(world, user)
    yield from _used(world, user)
    yield from _recorded(world, user)


def _counted(world: World, user: str) -> Iterator[Seen]:
    """Documents by their number: to editors of all, to others of those that they may read."""
    company, web = world.company, world.web
    listed = web.get(user, "/v1/collections").json().get("collections", ())
    for collection in COLLECTIONS:
        edits = company.edits(user, collection)
        items = [i for i in company.items.values() if i.collection == collection and not i.deleted]
        mine = [item for item in items if edits or company.may_read(user, item)]
        failed = sum(item.failed for item in mine)
        indexed = len(mine) - failed
        right = {"indexed": indexed, "failed": failed, "pending": 0, "chunks": indexed}
        shown = [
            web.get(user, f"/v1/collections/{collection}").json(),
            *(row for row in listed if row["name"] == collection),
        ]
        made = web.post(user, "/v1/collections", {"name": collection})
        yield Seen("collections", f"{collection} made", made.status_code == 200, edits)
        if edits:
            shown.append(made.json())
        for row in shown:
            counts = row.get("documents", {}) | {"chunks": row.get("chunks", 0)}
            for name, count in right.items():
                yield Seen("collections", f"{collection} {name}", counts.get(name, 0), count)
    metrics = web.get(user, "/metrics")
    yield Seen("metrics", "counts of all", metrics.status_code == 200, company.admin(user))
    for item_id in mentioned(world, metrics.text):
        yield Seen("metrics", company.items[item_id].name, True, False)


def _worked(world: World, user: str) -> Iterator[Seen]:
    company, web = world.company, world.web
    listed = web.get(user, "/v1/jobs").text
    for collection in COLLECTIONS:
        edits = company.edits(user, collection)
        job, spare = world.jobs[collection], world.spare_jobs[collection]
        yield Seen("jobs", collection, job in listed, edits)
        if not edits:  # to others it is shown until it ends
            events = web.get(user, f"/v1/jobs/{job}/events").status_code
            yield Seen("job events", collection, events == 200, False)
        for verb in ("pause", "resume", "cancel", "retry"):
            done = web.ask(user, "POST", f"/v1/jobs/{spare}/{verb}").status_code
            yield Seen("job actions", collection, done in (200, 409), edits)


def _used(world: World, user: str) -> Iterator[Seen]:
    """One's own usage; an admin's is everybody's."""
    company, web = world.company, world.web
    asked = {"group_by": "user,key", "route": USED, "limit": 500}
    shown = web.ask(user, "GET", "/v1/usage", params=asked)
    table = web.ask(user, "GET", "/v1/usage", params=asked, headers={"Accept": "text/csv"})
    for other in USERS:
        right = other == user or company.admin(user)
        names = {row["user"] for row in shown.json()["usage"]}
        yield Seen("usage", other, other in names, right)
        yield Seen("usage", other, world.key_ids[other] in table.text, right)
        of_user = web.ask(user, "GET", "/v1/usage", params=asked | {"user": other})
        yield Seen("usage", other, of_user.status_code == 200, right)
        of_key = web.ask(user, "GET", "/v1/usage", params=asked | {"key": world.key_ids[other]})
        yield Seen("usage", other, bool(of_key.json()["usage"]), right)


def _recorded(world: World, user: str) -> Iterator[Seen]:
    """Whose job it is reads who was shown what by the ids of documents, and no word of them."""
    company = world.company
    for form in ("json", "jsonl"):
        asked = {"class_uid": 6005, "limit": 500, "format": form}
        log = world.web.get(user, "/v1/audit", **asked)
        yield Seen("audit log", form, log.status_code == 200, company.admin(user))
        for item in company.items.values() if log.status_code == 200 else ():
            said = item.name in log.text or item.word in log.text
            yield Seen("audit log", item.name, said, False)
