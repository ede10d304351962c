"""A collection exported, and imported elsewhere, with a real Milvus Lite server."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from smartypants import texts, verifying
from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.errors import (
    Conflict,
    EmbeddingModelMismatch,
    ExportInvalid,
    NotFound,
    VectorStoreUnavailable,
)
from smartypants.ledger import (
    acls,
    collections,
    documents,
    prompts,
    recipes,
    relations,
    safety,
    versions,
)
from smartypants.ledger.database import connect, migrate
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import readable
from smartypants.recipes import Recipe
from smartypants.transfer import exporting
from smartypants.transfer.exporting import export_collection
from smartypants.transfer.importing import Imported, import_collection
from smartypants.transfer.manifest import Manifest
from smartypants.types import Chunk, Filters, Mark, ParsedDocument, Relation, RelationKind
from smartypants.vectorstores.milvus import MilvusVectorStore
from tests.ledger.conftest import Source

pytestmark = pytest.mark.integration

DIMENSION = 4
RNG = np.random.default_rng(7)
NAMES = ("plan.md", "mail.md", "secret.md")
WORDS = ("lighthouse", "ferry", "windmill")


@dataclass
class Site:
    """A ledger and a blob store of their own, beside a vector store that all share."""

    engine: Engine
    vectors: MilvusVectorStore
    blobs: ArrowBlobStore

    def export(self, name: str, folder: Path, *, raw: bool = False) -> Manifest:
        target = ArrowBlobStore(uri=folder.as_uri())
        return export_collection(self.engine, self.vectors, self.blobs, name, target, raw=raw)

    def take(self, folder: Path, *, name: str | None = None, model: str = "m") -> Imported:
        source = ArrowBlobStore(uri=folder.as_uri())
        return import_collection(
            self.engine, self.vectors, self.blobs, source, embedding_model=model, collection=name
        )

    def search(self, name: str, *principals: str) -> list[tuple[str, int, str, float]]:
        """By every direction and word, what a caller finds, without ids."""
        physical = collections.get(self.engine, name).physical
        allowed = acls.allowed_acl_ids(self.engine, principals)
        rest = {"limit": 20, "acl_ids": allowed, "filters": Filters()}
        hits = [
            (hit.chunk, round(hit.score, 5))
            for found in self.vectors.dense(physical, np.eye(DIMENSION, dtype=np.float32), **rest)
            for hit in found
        ]
        hits += [  # Milvus Lite weighs words by segment: their scores are not the content's alone
            (hit.chunk, 0.0)
            for found in self.vectors.lexical(physical, WORDS, **rest)
            for hit in found
        ]
        return sorted((chunk.text, chunk.index, chunk.page or "", score) for chunk, score in hits)

    def stored(self, name: str) -> dict[str, tuple[Chunk, bytes]]:
        physical = collections.get(self.engine, name).physical
        return {
            item.chunk_id: (item.chunk, item.vector.tobytes())
            for batch in self.vectors.scan(physical, vectors=True)
            for item in batch
            if item.vector is not None
        }


@pytest.fixture
def site(engine: Engine, milvus: MilvusVectorStore, tmp_path: Path) -> Site:
    return Site(engine, milvus, ArrowBlobStore(uri=(tmp_path / "blobs").as_uri()))


@pytest.fixture
def elsewhere(milvus: MilvusVectorStore, tmp_path: Path) -> Iterator[Site]:
    engine = connect(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    migrate(engine)
    yield Site(engine, milvus, ArrowBlobStore(uri=(tmp_path / "blobs2").as_uri()))
    engine.dispose()


@pytest.fixture
def filled(site: Site) -> Iterator[Source]:
    """Three documents of several chunks, one for Ann alone, one an attachment, one updated."""
    source = Source(site.engine, f"c{uuid.uuid4().hex[:8]}")
    mail = source.ref("mail.md").uri
    plan = replace(source.ref("plan.md"), relations=(Relation(RelationKind.ATTACHMENT_OF, mail),))
    secret = replace(source.ref("secret.md"), principals=("user:ann", "group:crew"))
    source.list(plan, source.ref("mail.md"), secret, "failed.md")
    physical = collections.get(site.engine, source.collection).physical
    site.vectors.create(physical, dimension=DIMENSION)
    for number, name in enumerate(NAMES):
        write(site, source, name, "v1", count=3 + number, word=WORDS[number])
    source.index("plan.md", "v0", chunks=1)
    for number, name in enumerate(NAMES):
        source.index(name, "v1", chunks=3 + number)
    source.fail("failed.md", retryable=False)
    source.list(replace(plan, etag="newer"))  # changed at the source, and not indexed yet
    yield source
    site.vectors.drop(physical)


def write(site: Site, source: Source, name: str, version: str, *, count: int, word: str) -> None:
    row = source.row(name)
    chunks = [
        Chunk(
            row.id, version, index, f"The {word} number {index} of {name}.", 10 * index, 10,
            ("Top", "Ünder"), f"slide {index}" if index else None, "Title > Top", ((1, "Top"),),
        )
        for index in range(count)
    ]  # fmt: skip
    vectors = RNG.normal(size=(count, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    physical = collections.get(site.engine, source.collection).physical
    ids, sources = [row.acl_id] * count, [row.source_id] * count
    known = [row.attributes] * count
    site.vectors.upsert(
        physical, chunks, vectors, acl_ids=ids, source_ids=sources, attributes=known
    )
    site.vectors.flush(physical)
    site.blobs.put(texts.raw_key(row.id, version), name.encode())
    parsed = ParsedDocument(f"Text of {name}", None, (Mark(3, "2"),), {"author": "Ann"})
    texts.keep(site.blobs, row.id, version, parsed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "export"


def test_round_trip_elsewhere(
    site: Site, elsewhere: Site, filled: Source, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "FILE_ROWS", 5)  # several files
    name = filled.collection
    before = {who: site.search(name, who) for who in ("user:bob", "user:ann", "group:crew")}
    stored = site.stored(name)
    assert len(before["user:ann"]) > len(before["user:bob"]) > 0

    found = site.export(name, folder, raw=True)
    assert (found.documents, found.chunks) == (3, 12)
    assert len(found.of("chunks")) == 3
    site.vectors.drop(collections.get(site.engine, name).physical)

    done = elsewhere.take(folder)
    assert (done.documents, done.chunks, done.written) == (3, 12, 12)
    assert elsewhere.stored(name) == stored  # chunks and vectors, bit by bit
    assert {who: elsewhere.search(name, who) for who in before} == before
    assert verifying.verify(elsewhere.engine, elsewhere.vectors, name).ok

    plan = documents.get(elsewhere.engine, filled.id_of("plan.md"))
    assert (plan.state, plan.etag, plan.title) == ("indexed", "1", "Title of plan.md")
    assert plan.parsed == {"pages": "1"}
    history = versions.history(elsewhere.engine, plan.id)
    assert [(item.version, item.replaced_at is None) for item in history] == [
        ("v1", True),
        ("v0", False),
    ]
    allowed = acls.allowed_acl_ids(elsewhere.engine, [])
    edges = relations.related(elsewhere.engine, plan, acl_ids=allowed)
    assert ("attachment_of", "mail.md") in {(e.relation, e.document.name) for e in edges}
    kept = texts.load(elsewhere.blobs, plan.id, "v1")
    assert kept == texts.load(site.blobs, plan.id, "v1")
    assert elsewhere.blobs.get(texts.raw_key(plan.id, "v1")) == b"plan.md"

    again = elsewhere.take(folder)
    assert (again.documents, again.written) == (3, 0)
    assert elsewhere.stored(name) == stored

    # The source goes on where it was: only what changed since is due.
    here = Source(elsewhere.engine, name)
    listed = here.list(here.ref("plan.md", etag="newer"), "mail.md")
    assert (listed.pending, listed.unchanged) == (1, 1)


def test_under_another_name_beside_the_first(site: Site, filled: Source, folder: Path) -> None:
    site.export(filled.collection, folder)
    other = f"{filled.collection}_copy"
    assert site.take(folder, name=other).written == 12
    for who in ("user:bob", "user:ann"):
        assert site.search(other, who) == site.search(filled.collection, who)
    assert verifying.verify(site.engine, site.vectors, other).ok
    assert verifying.verify(site.engine, site.vectors, filled.collection).ok
    rows = documents.of_collection(site.engine, other)
    assert {row.id for row in rows}.isdisjoint(filled.id_of(name) for name in NAMES)
    plan = next(row for row in rows if row.name == "plan.md")
    edges = relations.related(site.engine, plan, acl_ids=[plan.acl_id])
    attached = next(e.document for e in edges if e.relation == "attachment_of")
    assert (attached.name, attached.collection) == ("mail.md", other)
    assert Source(site.engine, other).id_of("plan.md") == plan.id  # as its source will list it
    with pytest.raises(NotFound):
        site.blobs.get(texts.raw_key(plan.id, "v1"))  # exported without
    site.vectors.drop(collections.get(site.engine, other).physical)


def test_interrupted_import_goes_on(
    site: Site, elsewhere: Site, filled: Source, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "FILE_ROWS", 4)
    name = filled.collection
    stored = site.stored(name)
    site.export(name, folder)
    site.vectors.drop(collections.get(site.engine, name).physical)

    calls = iter([True, False])

    class Failing(MilvusVectorStore):
        def upsert(self, *args: object, **kwargs: object) -> None:
            if not next(calls):
                raise VectorStoreUnavailable("It is down.")
            super().upsert(*args, **kwargs)  # type: ignore[arg-type]

    broken = Failing(uri=site.vectors.uri, embedded=True)
    with pytest.raises(VectorStoreUnavailable):
        replace(elsewhere, vectors=broken).take(folder)
    assert documents.of_collection(elsewhere.engine, name) == []  # nothing is shown yet
    done = elsewhere.take(folder)
    assert 0 < done.written <= 12
    assert elsewhere.stored(name) == stored


def test_refused(site: Site, elsewhere: Site, filled: Source, folder: Path) -> None:
    site.export(filled.collection, folder)
    with pytest.raises(Conflict, match="holds an export"):
        site.export(filled.collection, folder)
    with pytest.raises(EmbeddingModelMismatch):
        elsewhere.take(folder, model="another")
    assert collections.every(elsewhere.engine) == []
    other = Source(elsewhere.engine, filled.collection)
    other.list("stranger.md")
    with pytest.raises(Conflict, match=r"stranger\.md"):
        elsewhere.take(folder)


def test_export_of_what_is_not_whole(site: Site, filled: Source, folder: Path) -> None:
    filled.index("mail.md", "v2", chunks=1)  # as if its chunks were replaced just now
    with pytest.raises(Conflict, match="changed"):
        site.export(filled.collection, folder)
    assert not (folder / "manifest.json").exists()


def damaged(folder: Path, how: str) -> None:
    manifest = folder / "manifest.json"
    chunks = folder / "chunks-00000.parquet"
    found = json.loads(manifest.read_text())
    if how == "no manifest":
        manifest.unlink()
    elif how == "manifest cut":
        manifest.write_text(manifest.read_text()[:100])
    elif how == "another version":
        manifest.write_text(json.dumps(found | {"version": 2}))
    elif how == "a path out of it":
        found["files"][0]["name"] = "../chunks-00000.parquet"
        manifest.write_text(json.dumps(found))
    elif how == "missing":
        chunks.unlink()
    elif how == "cut":
        chunks.write_bytes(chunks.read_bytes()[:-10])
    elif how == "one bit":
        data = bytearray(chunks.read_bytes())
        data[len(data) // 2] ^= 1
        chunks.write_bytes(data)
    elif how == "counts":
        manifest.write_text(json.dumps(found | {"chunks": 11}))
    elif how == "another table":
        reseal(folder, pq.read_table(chunks).drop_columns(["page"]), chunks.name)
    elif how in ("a version out of it", "unknown document"):
        name, column, value = {
            "a version out of it": ("documents-00000.parquet", "version", "../../x"),
            "unknown document": ("texts-00000.parquet", "document_id", "f" * 32),
        }[how]
        rows = pq.read_table(folder / name)
        values = pa.array([value] * rows.num_rows, pa.string())
        reseal(folder, rows.set_column(rows.column_names.index(column), column, values), name)


def reseal(folder: Path, rows: pa.Table, name: str) -> None:
    """Exchange a table by somebody who knows how to write a manifest."""
    pq.write_table(rows, folder / name)
    data = (folder / name).read_bytes()
    manifest = folder / "manifest.json"
    found = json.loads(manifest.read_text())
    entry = next(file for file in found["files"] if file["name"] == name)
    entry["size"] = len(data)
    entry["blake2b"] = hashlib.blake2b(data, digest_size=32).hexdigest()
    manifest.write_text(json.dumps(found))


def test_damaged_exports(site: Site, elsewhere: Site, filled: Source, folder: Path) -> None:
    site.export(filled.collection, folder)
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    for how in (
        "no manifest", "manifest cut", "another version", "a path out of it", "missing", "cut",
        "one bit", "counts", "another table", "a version out of it", "unknown document",
    ):  # fmt: skip
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        damaged(folder, how)
        with pytest.raises(ExportInvalid):
            elsewhere.take(folder)
        assert documents.counts(elsewhere.engine) == {}, how


def test_the_recipe_comes_along(
    site: Site, elsewhere: Site, filled: Source, tmp_path: Path
) -> None:
    name = filled.collection
    plain = site.export(name, tmp_path / "plain")
    assert plain.recipe is None
    assert "recipe" not in json.loads((tmp_path / "plain" / "manifest.json").read_text())
    recipes.activate(site.engine, name, Recipe(dense_weight=0.7), evidence={"chosen": "x"})
    site.export(name, tmp_path / "tuned")
    elsewhere.take(tmp_path / "tuned", name="copy")
    taken = recipes.active(elsewhere.engine, "copy")
    assert taken is not None
    assert (taken.recipe, taken.evidence) == (Recipe(dense_weight=0.7), {"chosen": "x"})
    recipes.reset(elsewhere.engine, "copy")
    elsewhere.take(tmp_path / "tuned", name="copy")
    assert recipes.active(elsewhere.engine, "copy") is None
    elsewhere.take(tmp_path / "plain", name="other")
    assert recipes.active(elsewhere.engine, "other") is None


def test_prompts_and_safety_come_along(
    site: Site, elsewhere: Site, filled: Source, tmp_path: Path
) -> None:
    name = filled.collection
    told = {"role": "user", "content": "{{ question }} {{ passages[0].text }}"}
    template = readable({"messages": [told]})
    made = prompts.create(site.engine, Kind.ANSWER, template, collection=name, note="short")
    shares = [Share(made.version, 0.25), Share("default", 0.75)]
    prompts.activate(site.engine, Kind.ANSWER, shares, collection=name)
    everywhere = prompts.create(site.engine, Kind.REWRITE, template)
    safety.put(site.engine, name, {"injection": {"policy": "drop"}})
    site.export(name, tmp_path / "out")
    assert everywhere.version not in (tmp_path / "out" / "manifest.json").read_text()

    for _ in range(2):  # taking it again changes nothing
        elsewhere.take(tmp_path / "out", name="copy")
    now = prompts.in_force(elsewhere.engine, Kind.ANSWER, "copy")
    assert now is not None
    assert (now.collection, now.shares) == ("copy", tuple(shares))
    assert len(prompts.history(elsewhere.engine, Kind.ANSWER, "copy")) == 1
    taken = prompts.get(elsewhere.engine, Kind.ANSWER, "copy", made.version)
    assert (taken.body, taken.created_by, taken.note) == (made.body, "imported", "short")
    own = safety.get(elsewhere.engine, "copy")
    assert own is not None
    assert own.overrides == {"injection": {"policy": "drop"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompts": [{"kind": "answer", "active": [{"share": 0.5}]}]},
        {"prompts": [{"kind": "answer", "active": [
            {"share": 1, "body": {"messages": [{"role": "user", "content": "{{ a.__class__ }}"}]}}
        ]}]},
        {"safety": {"secrets": "keep"}},
        {"recipe": {"recipe": {"fusion": "best"}}},
    ],
)  # fmt: skip
def test_what_belongs_to_it_is_checked_first(
    site: Site, elsewhere: Site, filled: Source, tmp_path: Path, wrong: dict[str, object]
) -> None:
    site.export(filled.collection, tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | wrong))
    with pytest.raises(ExportInvalid):
        elsewhere.take(tmp_path / "out", name="copy")
    assert collections.every(elsewhere.engine) == []
