"""What came inside documents lives, is read and dies with them."""

from __future__ import annotations

from dataclasses import replace

from smartypants import containing
from smartypants.attachments import unpack
from smartypants.ledger import acls, commits, documents, relations
from smartypants.ledger.commits import Indexed
from smartypants.media_types import PDF
from smartypants.types import Attachment, DocumentRef, Relation, RelationKind
from tests.ledger.conftest import MAX_ATTEMPTS, Source
from tests.ledger.test_concurrency import ROUNDS, at_once

ANN, BOB = ("user:ann",), ("user:bob",)


def inside(message: DocumentRef, *names: str, data: bytes = b"x") -> list[DocumentRef]:
    files = [Attachment(name, PDF, data) for name in names]
    return [ref for ref, _ in unpack(message, files, title="T", parsed={})]


def note(source: Source, message: DocumentRef, *found: DocumentRef) -> int:
    """As the ingest program does when the message was read."""
    read = Indexed(message.document_id, "v", "T", 1, contents=found)
    return containing.note_contents(
        source.engine,
        source.collection,
        [read],
        job_id=source.job,
        max_attempts=MAX_ATTEMPTS,
    )


def index(source: Source, *refs: DocumentRef) -> None:
    done = [Indexed(ref.document_id, "v", ref.name, 1) for ref in refs]
    commits.commit(source.engine, source.collection, done, [])


def rows(source: Source, *refs: DocumentRef) -> list[documents.Document]:
    found = documents.by_id(source.engine, [ref.document_id for ref in refs])
    return [found[ref.document_id] for ref in refs if ref.document_id in found]


def states(source: Source, *refs: DocumentRef) -> list[str]:
    return [row.state for row in rows(source, *refs)]


def principals(source: Source, *refs: DocumentRef) -> set[tuple[str, ...]]:
    found = [row.acl_id for row in rows(source, *refs)]
    return {tuple(item) for item in acls.principals(source.engine, found).values()}


def test_noted_with_the_acl_of_its_message_and_related_to_it(source: Source) -> None:
    mail = source.ref("mail.eml", principals=ANN)
    source.list(mail)
    plan, terms = inside(mail, "plan.pdf", "terms.pdf")
    assert note(source, mail, plan, terms) == 0
    assert states(source, plan, terms) == ["pending", "pending"]
    assert principals(source, plan, terms) == {ANN}
    (row,) = rows(source, plan)
    assert (row.listed_by, row.job_id, row.ref) == (
        source.job, source.job, replace(plan, principals=("public",), relations=())
    )  # fmt: skip
    hers = acls.allowed_acl_ids(source.engine, ANN)
    related = relations.related(source.engine, rows(source, mail)[0], acl_ids=hers)
    assert [(item.relation, item.document.name) for item in related] == [
        ("has_attachment", "mail.eml/plan.pdf"),
        ("has_attachment", "mail.eml/terms.pdf"),
    ]
    assert (
        relations.related(source.engine, row, acl_ids=acls.allowed_acl_ids(source.engine, BOB))
        == []
    )


def test_noting_again_changes_nothing(source: Source) -> None:
    mail = source.ref("mail.eml")
    source.list(mail)
    (plan,) = inside(mail, "plan.pdf")
    note(source, mail, plan)
    index(source, mail, plan)
    note(source, mail, plan)
    before = rows(source, mail, plan)
    note(source, mail, plan)
    assert rows(source, mail, plan) == before
    assert [(row.state, row.indexed_version) for row in before] == [("indexed", "v")] * 2


def test_an_unchanged_message_is_listed_with_what_is_in_it(source: Source) -> None:
    mail = source.ref("mail.eml")
    source.list(mail)
    (plan,) = inside(mail, "plan.pdf")
    (deep,) = inside(plan, "deep.pdf")
    note(source, mail, plan)
    note(source, plan, deep)
    index(source, mail, plan, deep)
    listed = source.list(mail)
    assert (listed.pending, listed.unchanged) == (0, 3)
    assert documents.vanished(source.engine, source.source_id, source.job) == ([], 1)
    moved = replace(mail, principals=BOB)
    source.list(moved)
    assert principals(source, mail, plan, deep) == {BOB}
    assert states(source, mail, plan, deep) == ["indexed"] * 3
    source.list("other.txt")
    gone, total = documents.vanished(source.engine, source.source_id, source.job)
    assert {row.id for row in gone} == {ref.document_id for ref in (mail, plan, deep)}
    assert total == 2


def test_what_a_message_no_longer_has_goes_with_all_that_is_in_it(source: Source) -> None:
    mail = source.ref("mail.eml")
    source.list(mail)
    plan, inner = inside(mail, "plan.pdf", "inner.eml")
    (deep,) = inside(inner, "deep.pdf")
    note(source, mail, plan, inner)
    note(source, inner, deep)
    index(source, mail, plan, inner, deep)
    (newer,) = inside(mail, "plan.pdf", data=b"y")
    assert note(source, mail, newer) == 2
    assert states(source, newer, inner, deep) == ["pending", "deleted", "deleted"]
    (row,) = rows(source, newer)
    assert (row.etag, row.indexed_version) == (newer.etag, "v"), "searches show the former one"
    assert note(source, mail, newer, inner) == 0
    assert states(source, newer, inner, deep) == ["pending", "pending", "deleted"]
    source.list("mail.eml")
    assert states(source, deep) == ["deleted"], "it comes back when its own message is read"


def test_not_looked_for_is_not_gone(source: Source) -> None:
    mail = source.ref("mail.eml")
    source.list(mail)
    (plan,) = inside(mail, "plan.pdf")
    note(source, mail, plan)
    kept = Indexed(mail.document_id, "v", "T", 1)
    assert (
        containing.note_contents(
            source.engine, source.collection, [kept], job_id="j", max_attempts=1
        )
        == 0
    )
    assert states(source, plan) == ["pending"]


def test_deleting_a_message_deletes_what_is_in_it_and_nothing_else(source: Source) -> None:
    mail = source.ref("mail.eml")
    stated = replace(
        source.ref("upload.pdf"), relations=(Relation(RelationKind.ATTACHMENT_OF, mail.uri),)
    )
    source.list(mail, stated)
    (plan,) = inside(mail, "plan.pdf")
    note(source, mail, plan)
    index(source, mail, plan, stated)
    source.delete("mail.eml")
    assert states(source, mail, plan, stated) == ["deleted", "deleted", "indexed"]
    note(source, mail, plan)  # it was read before, and deleted meanwhile
    note(source, plan, *inside(plan, "deep.pdf"))
    assert states(source, plan, *inside(plan, "deep.pdf")) == ["deleted"]
    source.list(mail)
    note(source, mail, plan)
    (row,) = rows(source, plan)
    assert (row.state, row.indexed_version) == ("pending", None)


def test_nothing_is_noted_inside_of_what_is_not_there(source: Source) -> None:
    nobody = source.ref("nobody.eml")
    (plan,) = inside(nobody, "plan.pdf")
    source.list(plan)
    note(source, nobody, plan)
    assert rows(source, plan) == []


def test_failed_ones_are_tried_again_with_their_message(source: Source) -> None:
    mail = source.ref("mail.eml")
    source.list(mail)
    lasting, passing = inside(mail, "lasting.pdf", "passing.pdf")
    note(source, mail, lasting, passing)
    for ref, retryable in ((lasting, False), (passing, True)):
        bad = commits.Failed(ref.document_id, "code", "message", retryable)
        commits.commit(source.engine, source.collection, [], [bad])
    index(source, mail)
    assert source.list(mail).pending == 1
    assert states(source, lasting, passing) == ["failed", "pending"]


def test_noting_and_deleting_at_once_leaves_nothing_behind(source: Source) -> None:
    for number in range(ROUNDS):
        mail = source.ref(f"{number}.eml")
        source.list(mail)
        found = inside(mail, *(f"{n}.pdf" for n in range(20)))
        at_once(
            lambda mail=mail, found=found: note(source, mail, *found),
            lambda number=number: source.delete(f"{number}.eml"),
            lambda mail=mail: index(source, mail),
        )
        assert set(states(source, mail, *found)) == {"deleted"}
        source.list(mail)
        note(source, mail, *found)
        at_once(
            lambda mail=mail: source.list(mail),
            lambda number=number: source.delete(f"{number}.eml"),
            lambda found=found: index(source, *found[::-1]),
        )
        assert not any(row.searchable for row in rows(source, *found))
