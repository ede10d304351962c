"""A small company in the real application: users with keys, documents, and changes at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sqlalchemy import Engine
from starlette.testclient import TestClient

from benchmarks._access_app import DIMENSION, services, settings_of
from benchmarks._access_model import Company, Item
from benchmarks._access_web import Web
from smartypants.api.app import create_app
from smartypants.auth.roles import GRANTABLE, Role
from smartypants.ledger import (
    acls,
    api_keys,
    collections,
    commits,
    grants,
    groups,
    jobs,
    listing,
    usage,
    users,
)
from smartypants.ledger.commits import Failed, Indexed
from smartypants.ledger.database import connect, migrate
from smartypants.metering.counts import Bucket, Sums
from smartypants.permitting import permit
from smartypants.protocols import VectorStore
from smartypants.types import PUBLIC, Chunk

COLLECTIONS = ("open", "legal", "lab")
USERS = ("ann", "bob", "cid", "dan", "eve", "fay")
GROUPS = ("staff", "law", "science", "guests")
FAILED_SHARE = 0.15
ATTACHED_SHARE = 0.3
DOCUMENTS = 40
"""In each collection."""
USED = "oracle"
"""The route on which everybody has used something."""


class World:
    """The system, the model, and what changes both."""

    def __init__(self, engine: Engine, vectors: VectorStore, client: TestClient, seed: int) -> None:
        self.engine = engine
        self.vectors = vectors
        self.web = Web(client)
        self.company = Company()
        self.random = random.Random(seed)
        self.key_ids: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.jobs: dict[str, str] = {}
        self.spare_jobs: dict[str, str] = {}
        """Without documents, to be paused and ended."""

    def hire(self, name: str, role: Role) -> None:
        user = users.create(self.engine, name, role=role)
        key, secret = api_keys.create(self.engine, user, name="test")
        self.company.roles[name] = role
        self.ids[name], self.key_ids[name] = user.id, key.id
        self.web.keys[name] = secret.text
        usage.add(self.engine, {Bucket(0, user.id, key.id, USED, ""): Sums(requests=1)})

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
        """A document for each set of principals: some failed, some attached to the one before,
        some with the same content."""
        found = collections.ensure(
            self.engine, collection, embedding_model="m", dimension=DIMENSION
        )
        self.vectors.create(found.physical, dimension=DIMENSION)
        listing.register_source(
            self.engine, source_id=collection, collection=collection, kind="objects", uri="s3://x/"
        )
        items: list[Item] = []
        for number, principals in enumerate(sets):
            failed = self.random.random() < FAILED_SHARE
            attached = bool(items) and self.random.random() < ATTACHED_SHARE
            items.append(
                Item(
                    collection,
                    f"{collection}{number}.txt",
                    principals,
                    failed,
                    f"v{number // 2}",  # of two each, and of as many in other collections
                    items[-1].name if attached else None,
                )
            )
        self.company.items |= {item.id: item for item in items}
        params = {"connector": "objects"}
        for made in (self.jobs, self.spare_jobs):
            made[collection] = jobs.submit(self.engine, "ingest", collection, params).id
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
        if item.deleted:  # listed again, it would be there again
            return
        item.principals = principals
        self._list([item])
        permit(self.engine, self.vectors, item.collection)

    def _list(self, items: Sequence[Item]) -> None:
        collection = items[0].collection
        listing.list_documents(
            self.engine,
            [item.ref for item in items],
            collection=collection,
            job_id=self.jobs[collection],
            max_attempts=1,
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
                for item in chance.sample(list(self.company.items.values()), 3):
                    self.share(item, self.any_principals())


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
    settings = settings_of(folder, ledger_url)
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
