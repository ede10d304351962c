"""A small company in the real application: users with keys, documents, and changes at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine
from starlette.testclient import TestClient

from benchmarks._access_app import DIMENSION, services
from benchmarks._access_model import Company, Item, Verdicts
from smartypants.api.app import create_app
from smartypants.auth.roles import GRANTABLE, Role
from smartypants.auth.settings import AuthSettings
from smartypants.ledger import (
    acls,
    api_keys,
    collections,
    commits,
    grants,
    groups,
    jobs,
    listing,
    users,
)
from smartypants.ledger.commits import Failed, Indexed
from smartypants.ledger.database import connect, migrate
from smartypants.permitting import permit
from smartypants.protocols import VectorStore
from smartypants.settings import Settings
from smartypants.types import PUBLIC, Chunk, DocumentRef

COLLECTIONS = ("open", "legal", "lab")
USERS = ("ann", "bob", "cid", "dan", "eve", "fay")
GROUPS = ("staff", "law", "science", "guests")
FAILED_SHARE = 0.15
DOCUMENTS = 40
"""In each collection."""


class World:
    """The system, the model, and what changes both."""

    def __init__(self, engine: Engine, vectors: VectorStore, client: TestClient, seed: int) -> None:
        self.engine = engine
        self.vectors = vectors
        self.client = client
        self.company = Company()
        self.random = random.Random(seed)
        self.keys: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.jobs: dict[str, str] = {}

    # --- changes -----------------------------------------------------------------------

    def hire(self, name: str, role: Role) -> None:
        user = users.create(self.engine, name, role=role)
        self.company.roles[name] = role
        self.ids[name] = user.id
        self.keys[name] = api_keys.create(self.engine, user, name="test")[1].text

    def promote(self, name: str, role: Role) -> None:
        users.change(self.engine, name, role=role)
        self.company.roles[name] = role

    def set_group(self, name: str, members: set[str]) -> None:
        groups.set_members(self.engine, name, [self.ids[each] for each in members])
        self.company.members[name] = members

    def give(self, collection: str, principal: str, role: Role) -> None:
        grants.give(self.engine, collection, principal, role)
        self.company.grants[collection, principal] = role

    def take(self, collection: str, principal: str) -> None:
        grants.take(self.engine, collection, principal)
        del self.company.grants[collection, principal]

    def fill(self, collection: str, sets: Sequence[frozenset[str]]) -> None:
        """A document for each set of principals: some failed, some with the same content."""
        found = collections.ensure(
            self.engine, collection, embedding_model="m", dimension=DIMENSION
        )
        self.vectors.create(found.physical, dimension=DIMENSION)
        listing.register_source(
            self.engine, source_id=collection, collection=collection, kind="objects", uri="s3://x/"
        )
        items = []
        for number, principals in enumerate(sets):
            name = f"{collection}{number}.txt"
            failed = self.random.random() < FAILED_SHARE
            ref = self._ref(collection, name, principals)
            version = f"v{number // 2}"  # of two each, and of as many in other collections
            items.append(Item(ref.document_id, collection, name, principals, failed, version))
            self.company.items[ref.document_id] = items[-1]
        job = jobs.submit(self.engine, "ingest", collection, {"connector": "objects"})
        self.jobs[collection] = job.id
        self._list(items)
        good = [item for item in items if not item.failed]
        chunks = [
            Chunk(item.id, item.version, 0, text, 0, len(text))
            for item in good
            for text in (f"The budget of {item.name} is {len(item.name)} million: {item.word}.",)
        ]
        rows = [self._acl_id(item.principals) for item in good]
        ones = np.full((len(chunks), DIMENSION), 0.5, dtype=np.float32)
        sources = [collection] * len(chunks)
        self.vectors.upsert(found.physical, chunks, ones, acl_ids=rows, source_ids=sources)
        self.vectors.flush(found.physical)
        commits.commit(
            self.engine,
            collection,
            [Indexed(item.id, item.version, item.name, 1) for item in good],
            [Failed(item.id, "x", f"{item.name} broke.", False) for item in items if item.failed],
        )

    def share(self, item: Item, principals: frozenset[str]) -> None:
        """Other principals for a document that is as it was; then what the ingest job does."""
        item.principals = principals
        self._list([item])
        permit(self.engine, self.vectors, item.collection)

    def _list(self, items: Sequence[Item]) -> None:
        collection = items[0].collection
        refs = [self._ref(collection, item.name, item.principals) for item in items]
        listing.list_documents(
            self.engine,
            refs,
            collection=collection,
            job_id=self.jobs[collection],
            max_attempts=1,
        )

    def _ref(self, collection: str, name: str, principals: frozenset[str]) -> DocumentRef:
        return DocumentRef(
            collection, f"s3://x/{name}", name, "1", 1, principals=tuple(sorted(principals))
        )

    def _acl_id(self, principals: frozenset[str]) -> int:
        with self.engine.begin() as connection:
            return acls.acl_id(connection, principals)

    def any_principals(self) -> frozenset[str]:
        every = [PUBLIC, *(f"user:{u}" for u in USERS), *(f"group:{g}" for g in GROUPS)]
        return frozenset(self.random.sample(every, self.random.choice((0, 1, 1, 2, 3))))

    def change_something(self) -> None:
        """One change at random, of any kind."""
        chance = self.random
        match chance.randrange(5):
            case 0:
                name = chance.choice(GROUPS)
                self.set_group(name, set(chance.sample(USERS, chance.randrange(5))))
            case 1:
                who = chance.choice([f"user:{chance.choice(USERS)}", f"group:{GROUPS[0]}", PUBLIC])
                self.give(chance.choice(COLLECTIONS[1:]), who, chance.choice(GRANTABLE))
            case 2 if self.company.grants:
                self.take(*chance.choice(sorted(self.company.grants)))
            case 3:
                roles = (Role.NONE, Role.READER, Role.READER, Role.EDITOR, Role.ADMIN)
                self.promote(chance.choice(USERS), chance.choice(roles))
            case _:
                for item in chance.sample(sorted(self.company.items.values(), key=_by_id), 3):
                    self.share(item, self.any_principals())

    # --- what users are shown ----------------------------------------------------------

    def get(self, user: str, path: str, **params: object) -> Any:
        return self.client.get(path, params=params, headers=self._headers(user))  # type: ignore[arg-type]

    def post(self, user: str, path: str, body: Mapping[str, object]) -> Any:
        return self.client.post(path, json=body, headers=self._headers(user))

    def _headers(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[user]}"}

    def found(self, user: str, collection: str) -> set[str]:
        """The documents that a search shows."""
        response = self.post(user, "/v1/search", _search(collection))
        assert response.status_code in (200, 403, 404), response.text
        return {hit["document_id"] for hit in response.json().get("hits", ())}

    def check(self, user: str, verdicts: Verdicts) -> None:
        """Ask every route that shows documents, and compare all that it shows with the model."""
        for route, shown, items in self._asked(user):
            for item in items:
                right = self._right(user, item, route)
                verdicts.note(user, item.name, route, shown=item.id in shown, right=right)
        for route, name, shown_count, right_count in self._counted(user):
            verdicts.note(user, name, route, shown=shown_count, right=right_count)

    def _right(self, user: str, item: Item, route: str) -> bool:
        company = self.company
        if not company.may_read(user, item):
            return False
        if route in _OF_INDEXED:
            return not item.failed
        if route == "export":
            return not item.failed and company.edits(user, item.collection)
        return route != "job" or (item.failed and company.edits(user, item.collection))

    def _asked(self, user: str) -> Iterator[tuple[str, set[str], list[Item]]]:
        every = list(self.company.items.values())
        listed = self.get(user, "/v1/documents", limit=500).json().get("documents", ())
        yield "list", {row["id"] for row in listed}, every
        for collection in COLLECTIONS:
            items = [item for item in every if item.collection == collection]
            yield "search", self.found(user, collection), items
            yield "search", self.found(user, collection), items  # what is cached by now
            question = _search(collection) | {"mode": "extractive"}
            question["question"] = question.pop("query")
            del question["per_document"]
            given = self.post(user, "/v1/answers", question).json()
            shown = {hit["document_id"] for hit in given.get("hits", ())}
            yield "answers", shown | {c["document_id"] for c in given.get("citations", ())}, items
            streamed = self.post(user, "/v1/answers", question | {"stream": True}).text
            yield "answers streamed", {item.id for item in every if item.id in streamed}, items
            job = self.get(user, f"/v1/jobs/{self.jobs[collection]}").text
            yield "job", {item.id for item in every if item.id in job or item.name in job}, items
            asked = {"question": "What is the budget?", "collection": collection, "search": True}
            prompt = self.post(user, "/v1/prompts/answer/preview", asked).text
            told = {item.id for item in items if item.word in prompt}
            # It has room for a few: nobody can say which of those that may be shown.
            others = [i for i in items if i.id in told or not self._right(user, i, "preview")]
            yield "preview", told, others
            exported = self.get(user, f"/v1/collections/{collection}/export").text
            yield "export", {item.id for item in every if item.id in exported}, items
            sought = {"collection": collection, "limit": 500}
            listed = self.get(user, "/v1/documents", **sought).json().get("documents", ())
            yield "list", {row["id"] for row in listed}, items
        for item in self.random.sample(every, 12):
            for route in ("", "/versions", "/related"):
                response = self.get(user, f"/v1/documents/{item.id}{route}")
                shown = {item.id} if response.status_code == 200 else set()
                yield f"get{route}", shown, [item]
                if route == "/related" and shown:
                    rows = {row["document"]["id"] for row in response.json()["related"]}
                    same = [
                        other
                        for other in every
                        if other.version == item.version and not other.failed and not item.failed
                    ]
                    yield "related", rows, [other for other in same if other.id != item.id]
            meant = _search(item.collection) | {"query": f"the {_misspelt(item.word)}"}
            meant["options"] = {"collapse": False, "spelling": True}
            made = self.post(user, "/v1/search", meant).json().get("understood")
            offered = made is not None and item.word in made["text"]
            yield "spelling", {item.id} if offered else set(), [item]
            verdict = {"query": "x", "collection": item.collection, "document_id": item.id}
            sent = self.post(user, "/v1/feedback", verdict | {"relevant": True})
            yield "feedback", {item.id} if sent.status_code == 201 else set(), [item]

    def _counted(self, user: str) -> Iterator[tuple[str, str, int, int]]:
        """What tells of documents by their number, and of jobs."""
        company = self.company
        listed = self.get(user, "/v1/collections").json().get("collections", ())
        jobs_listed = self.get(user, "/v1/jobs").text
        for collection in COLLECTIONS:
            edits = company.edits(user, collection)
            items = [item for item in company.items.values() if item.collection == collection]
            mine = [item for item in items if edits or company.may_read(user, item)]
            failed = sum(item.failed for item in mine)
            right = {"indexed": len(mine) - failed, "failed": failed, "pending": 0}
            got = self.get(user, f"/v1/collections/{collection}").json()
            for row in (got, *(row for row in listed if row["name"] == collection)):
                counts = row.get("documents", {}) | {"chunks": row.get("chunks", 0)}
                for name, count in (right | {"chunks": right["indexed"]}).items():
                    yield "collections", f"{collection} {name}", counts.get(name, 0), count
            job_id = self.jobs[collection]
            yield "jobs", collection, job_id in jobs_listed, edits
            if not edits:  # to others it is shown until it ends
                events = self.get(user, f"/v1/jobs/{job_id}/events").status_code
                yield "job events", collection, events == 200, False


_OF_INDEXED = ("search", "answers", "answers streamed", "preview", "spelling")


def _misspelt(word: str) -> str:
    """With two neighbours swapped."""
    place = next(n for n in range(4, len(word)) if word[n] != word[n + 1])
    return f"{word[:place]}{word[place + 1]}{word[place]}{word[place + 2 :]}"


def _by_id(item: Item) -> str:
    return item.id


def _search(collection: str) -> dict[str, Any]:
    return {
        "query": "What is the budget?",
        "collection": collection,
        "top_k": DOCUMENTS,
        "per_document": True,
        "options": {"collapse": False, "spelling": False},
    }


@contextmanager
def world(
    folder: Path,
    vectors: VectorStore,
    *,
    seed: int,
    ledger_url: str | None = None,
    documents: int = DOCUMENTS,
    wrap: Callable[[VectorStore], VectorStore] = lambda store: store,
) -> Iterator[World]:
    """An application with `documents` documents in each collection, and nobody's but theirs."""
    settings = Settings(
        data_dir=folder,
        auth=AuthSettings(mode="required"),
        embedder={"model": "m"},
        answers={"min_answerability": 0.0},
        ledger={"url": ledger_url} if ledger_url else {},
    )
    engine = connect(settings.ledger_url)
    migrate(engine)
    store = wrap(vectors)
    with TestClient(create_app(services(settings, engine, store))) as client:
        made = World(engine, store, client, seed)
        for name in USERS:
            made.hire(name, made.random.choice((Role.READER, Role.EDITOR)))
        for name in GROUPS:
            made.set_group(name, set(made.random.sample(USERS, 3)))
        made.give("legal", "group:law", Role.READER)
        for collection in COLLECTIONS:
            made.fill(collection, [made.any_principals() for _ in range(documents)])
        yield made
    for collection in COLLECTIONS:
        vectors.drop(collections.get(engine, collection).physical)
    engine.dispose()


def tried(made: World, *, triples: int) -> Verdicts:
    """Change something, ask for somebody, until there are enough."""
    verdicts = Verdicts()
    while verdicts.total < triples:
        for _ in range(3):
            made.change_something()
        made.check(made.random.choice(USERS), verdicts)
    return verdicts
