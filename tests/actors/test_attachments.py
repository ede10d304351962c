"""Attachments of messages as documents of their own, on a real local Ray, from end to end."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

import pytest

from actors.ingest import IngestRequest, ingest
from actors.jobs import run_jobs
from actors.reindex import ReindexRequest, reindex
from actors.work import SourceSpec
from smartypants import verifying, wiring
from smartypants.connectors.uploads import URI, UploadsConnector
from smartypants.deleting import purge
from smartypants.ledger import acls, collections, documents, jobs, listing, relations
from smartypants.ledger.documents import Document
from smartypants.media_types import DOCX, HTML, PDF, TEXT
from smartypants.parsers.email import SKIPPED
from smartypants.progress import Progress
from smartypants.transfer.exporting import export_collection
from smartypants.transfer.importing import import_collection
from smartypants.verifying import Verification
from tests.actors.conftest import Site, Watcher
from tests.messages import DOCS, message, nested
from tests.parsers import samples
from tests.pdfs import make_pdf

pytestmark = [pytest.mark.ray, pytest.mark.integration, pytest.mark.timeout(900)]


def pdf(text: str) -> bytes:
    return make_pdf([[(12.0, text)]])


def write(site: Site, mail: EmailMessage, name: str = "mail.eml") -> None:
    (site.folder / name).write_bytes(mail.as_bytes())


def states(site: Site) -> dict[str, str]:
    return {row.name: row.state for row in site.rows()}


def related(site: Site, name: str) -> set[tuple[str, str]]:
    everybody = acls.allowed_acl_ids(site.engine, [])
    found = relations.related(site.engine, site.document(name), acl_ids=everybody)
    return {(item.relation, item.document.name) for item in found}


def cleaned(site: Site) -> Verification:
    """What is there once the job has cleaned up behind itself."""
    vectors, blobs = wiring.open_vectors(site.settings), wiring.open_blobs(site.settings)
    purge(site.engine, site.collection, vectors, blobs)
    found = verifying.verify(site.engine, vectors, site.collection)
    assert found.ok, found
    assert (found.pending, found.unfinished) == (0, 0)
    return found


def marks(site: Site) -> Mapping[str, object]:
    return {row.id: (row.state, row.indexed_version, row.indexed_at) for row in site.rows()}


class Stopped(Exception):
    pass


class Stopping(Watcher):
    """Ends the job at its first commit, as a crash might."""

    def advanced(self) -> None:
        raise Stopped


def offer(*files: tuple[str, str, bytes]) -> EmailMessage:
    mail = message(*files, text="The lighthouse is for sale.")
    mail.add_attachment(
        b"\x89PNG", maintype="image", subtype="png", filename="logo.png", disposition="inline"
    )
    return mail


def test_the_life_of_a_message_with_attachments(site: Site) -> None:
    page = b"<html><body><h1>Fees</h1><p>The windmill costs a fortune.</p></body></html>"
    files = [
        ("plan.pdf", PDF, pdf("The ferry leaves at nine.")),
        ("terms.docx", DOCX, samples.sample_docx()),
        ("fees.html", HTML, page),
        ("broken.pdf", PDF, b"%PDF-1.7 and then nothing"),
        ("data.bin", "application/octet-stream", b"\x00\x01"),
    ]
    mail = offer(*files)
    inner = message(("deep.txt", TEXT, b"The gull sleeps."), subject="Fwd", text="See below.")
    mail.add_attachment(inner, filename="fwd.eml")
    write(site, mail)
    (site.folder / "note.md").write_text("A note of its own.")
    first = site.ingest()
    assert states(site) == {
        "note.md": "indexed",
        "mail.eml": "indexed",
        "mail.eml/plan.pdf": "indexed",
        "mail.eml/terms.docx": "indexed",
        "mail.eml/fees.html": "indexed",
        "mail.eml/broken.pdf": "failed",
        "mail.eml/fwd.eml": "indexed",
        "mail.eml/fwd.eml/deep.txt": "indexed",
    }
    assert (first.indexed, first.failed, first.documents) == (7, 1, 8)
    broken = site.document("mail.eml/broken.pdf")
    assert broken.error_code == "document_unreadable"
    assert "broken.pdf" in (broken.error or "")
    assert site.document("mail.eml").parsed[SKIPPED] == (
        "data.bin: no parser for application/octet-stream; logo.png: inline image"
    )
    plan = site.document("mail.eml/plan.pdf")
    assert plan.uri == f"{site.document('mail.eml').uri}#attachment/plan.pdf"
    assert plan.metadata["message"] == "The offer"
    assert plan.attributes.author == " ann lee ann example org "
    assert plan.attributes.dated_at == site.document("mail.eml").attributes.dated_at
    assert related(site, "mail.eml/plan.pdf") == {("attachment_of", "mail.eml")}
    assert related(site, "mail.eml/fwd.eml") == {
        ("attachment_of", "mail.eml"),
        ("has_attachment", "mail.eml/fwd.eml/deep.txt"),
    }
    assert site.texts("ferry") == ["The ferry leaves at nine."]
    assert site.texts("gull") == ["The gull sleeps."]
    assert cleaned(site).documents == 7

    before = marks(site)
    again = site.ingest()
    assert (again.indexed, again.failed, again.embedded, again.unchanged) == (0, 0, 0, 8)
    assert marks(site) == before

    files[0] = ("plan.pdf", PDF, pdf("The ferry leaves at ten."))
    write(site, offer(*files[:3]))
    changed = site.ingest()
    assert (changed.indexed, changed.failed) == (2, 0)  # the message and the plan
    assert changed.deleted == 3  # the broken one and the message inside, with what was in it
    assert set(states(site)) == {
        "note.md", "mail.eml", "mail.eml/plan.pdf", "mail.eml/terms.docx", "mail.eml/fees.html"
    }  # fmt: skip
    assert site.document("mail.eml/plan.pdf").id == plan.id
    assert site.texts("ferry") == ["The ferry leaves at ten."]
    assert cleaned(site).documents == 5
    assert site.texts("gull") == []

    (site.folder / "mail.eml").rename(site.folder / "moved.eml")
    moved = site.ingest()
    assert (moved.indexed, moved.failed, moved.deleted) == (4, 0, 4)
    assert ("moved_from", "mail.eml/plan.pdf") in related(site, "moved.eml/plan.pdf")
    cleaned(site)

    (site.folder / "moved.eml").unlink()
    assert site.ingest().deleted == 4
    assert set(states(site)) == {"note.md"}
    assert cleaned(site).documents == 1


def test_a_job_that_stops_in_between_goes_on(site: Site) -> None:
    write(site, offer(*((f"{n}.pdf", PDF, pdf(f"Buoy {n} is red.")) for n in range(6))))
    source = SourceSpec("filesystem", site.collection, str(site.folder))
    request = IngestRequest(uuid.uuid4().hex, source)
    progress = Progress()
    with pytest.raises(Stopped):
        ingest(request, site.settings, site.engine, site.pipeline, Stopping(), progress)
    left = Counter(states(site).values())
    assert left["pending"] >= 1, left
    rest = site.ingest()
    assert set(states(site).values()) == {"indexed"}
    assert progress.embedded + rest.embedded == 7
    assert cleaned(site).documents == 7


def test_uploads_and_who_may_read_them(site: Site) -> None:
    connector = UploadsConnector(collection=site.collection, blobs=wiring.open_blobs(site.settings))
    collections.ensure(
        site.engine, site.collection, embedding_model=site.settings.embedder.model, dimension=384
    )
    listing.register_source(
        site.engine,
        source_id=connector.source_id,
        collection=site.collection,
        kind="uploads",
        uri=URI,
    )

    def upload(mail: EmailMessage, *principals: str) -> Progress:
        ref = connector.accept(mail.as_bytes(), name="mail.eml", principals=principals)
        request = IngestRequest(uuid.uuid4().hex, SourceSpec("uploads", site.collection, URI))
        listing.list_documents(
            site.engine, [ref], collection=site.collection, job_id=request.job_id, max_attempts=4
        )
        progress = Progress()
        ingest(request, site.settings, site.engine, site.pipeline, Watcher(), progress)
        return progress

    def readable(*principals: str) -> set[str]:
        allowed = acls.allowed_acl_ids(site.engine, principals)
        found = documents.page(site.engine, collection=site.collection, acl_ids=allowed, limit=100)
        return {row.name for row in found}

    mail = offer(("plan.pdf", PDF, pdf("The ferry leaves at nine.")))
    both = {"mail.eml", "mail.eml/plan.pdf"}
    assert upload(mail, "user:ann").indexed == 2
    assert (readable("user:ann"), readable()) == (both, set())
    assert cleaned(site).documents == 2
    assert upload(mail, "user:bob").embedded == 0
    assert (readable("user:ann"), readable("user:bob")) == (set(), both)
    assert cleaned(site).documents == 2
    assert upload(offer(), "user:bob").deleted == 1
    assert readable("user:bob") == {"mail.eml"}
    assert cleaned(site).documents == 1


def test_messages_that_are_nested_too_deeply_and_other_bombs(site: Site) -> None:
    mail = nested(6)
    mail.add_attachment("The buoy is red.", filename="buoy.txt")
    bomb = samples.packed({"word/document.xml": b"<w:p>" + b" " * 60_000_000})
    mail.add_attachment(bomb, maintype="application", subtype="octet-stream", filename="bomb.docx")
    write(site, mail)
    many = message(*((f"{n}.txt", TEXT, b"x") for n in range(101)))
    write(site, many, "many.eml")
    site.ingest()
    failed = {row.name: row.error or "" for row in site.rows() if row.state == "failed"}
    deepest = "mail.eml/level5.eml/level4.eml/level3.eml/level2.eml"
    assert set(failed) == {"many.eml", "mail.eml/bomb.docx", deepest}
    assert "4 messages within each other, over 3" in failed[deepest]
    assert "101 attachments, over 100" in failed["many.eml"]
    assert states(site)["mail.eml"] == states(site)["mail.eml/buoy.txt"] == "indexed"
    assert cleaned(site).failed == 3


def test_repaired_reindexed_exported_and_imported(site: Site, tmp_path: Path) -> None:
    write(site, offer(("plan.pdf", PDF, pdf("The ferry leaves at nine."))))
    site.ingest()
    vectors, blobs = wiring.open_vectors(site.settings), wiring.open_blobs(site.settings)
    plan = site.document("mail.eml/plan.pdf")
    physical = collections.get(site.engine, site.collection).physical
    vectors.delete_versions(physical, {plan.id: None})
    vectors.flush(physical)
    damaged = verifying.verify(site.engine, vectors, site.collection)
    assert damaged.incomplete == [plan.id]
    assert len(verifying.repair(site.engine, vectors, damaged)) == 1
    repaired = site.ingest()
    assert (repaired.indexed, repaired.embedded) == (1, 0)
    assert cleaned(site).documents == 2

    data = (site.folder / "mail.eml").read_bytes()
    (site.folder / "mail.eml").unlink()  # the source is not asked
    again = Progress()
    request = ReindexRequest(uuid.uuid4().hex, site.collection)
    reindex(request, site.settings, site.engine, site.pipeline, Watcher(), again)
    assert (again.indexed, again.failed) == (2, 0)
    assert cleaned(site).documents == 2
    assert site.texts("ferry") == ["The ferry leaves at nine."]

    folder = wiring.open_folder(site.settings, str(tmp_path / "export"))
    export_collection(site.engine, vectors, blobs, site.collection, folder, raw=True)
    other = Site(site.settings, site.engine, site.pipeline, site.folder, f"{site.collection}b")
    import_collection(
        site.engine,
        vectors,
        blobs,
        folder,
        embedding_model=site.settings.embedder.model,
        collection=other.collection,
    )
    assert related(other, "mail.eml/plan.pdf") == {
        ("attachment_of", "mail.eml"),
        ("duplicate_of", "mail.eml/plan.pdf"),
    }
    (site.folder / "mail.eml").write_bytes(data)
    taken_over = other.ingest()
    assert (taken_over.indexed, taken_over.embedded, taken_over.deleted) == (0, 0, 0)
    assert cleaned(other).documents == 2


def test_retrying_a_job_tries_its_failed_attachments_again(site: Site) -> None:
    write(site, offer(("plan.pdf", PDF, b"%PDF-1.7 and then nothing")))
    params = {"connector": "filesystem", "uri": str(site.folder)}
    job = jobs.submit(site.engine, "ingest", site.collection, params)
    run_jobs(site.settings, threading.Event(), only=(job.id,))
    plan = site.document("mail.eml/plan.pdf")
    assert (plan.state, plan.job_id, plan.attempts) == ("failed", job.id, 1)
    first = _tried_at(site, plan)
    jobs.retry(site.engine, job.id)
    assert site.document(plan.name).state == "pending"
    run_jobs(site.settings, threading.Event(), only=(job.id,))
    assert site.document(plan.name).state == "failed"
    assert _tried_at(site, plan) > first
    assert site.document("mail.eml").state == "indexed"


def _tried_at(site: Site, row: Document) -> float:
    return documents.get(site.engine, row.id).updated_at


@pytest.mark.skipif(not DOCS.exists(), reason="the real files are not here")
def test_real_files(site: Site) -> None:
    folder = DOCS / "kreuzberg"
    kinds = {"google_doc_document.pdf": PDF, "docx_tables.docx": DOCX, "html.html": HTML}
    files = [(name, kind, (folder / name).read_bytes()) for name, kind in kinds.items()]
    write(site, message(*files))
    for name in ("mailgun_pdf_attachment.eml", "thunderbird_png_attachment.eml"):
        (site.folder / name).write_bytes((folder / name).read_bytes())
    site.ingest()
    assert {states(site)[f"mail.eml/{name}"] for name in kinds} == {"indexed"}
    own = {row.name for row in site.rows() if "/" not in row.name}
    assert own == {"mail.eml", "mailgun_pdf_attachment.eml", "thunderbird_png_attachment.eml"}
    came_in = [row for row in site.rows() if row.name.startswith("mailgun_pdf_attachment.eml/")]
    assert [(row.media_type, row.state) for row in came_in] == [(PDF, "failed")]  # it is cut off
    assert "image/png" in site.document("thunderbird_png_attachment.eml").parsed[SKIPPED]
    cleaned(site)
