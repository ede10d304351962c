"""What documents are to each other, and who may know of it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from smartypants.ledger import acls, collections, relations
from smartypants.types import Relation, RelationKind
from tests.ledger.conftest import Source

ATTACHMENT, REPLY = RelationKind.ATTACHMENT_OF, RelationKind.REPLY_TO


def related(source: Source, name: str, *principals: str) -> set[tuple[str, str]]:
    allowed = acls.allowed_acl_ids(source.engine, principals)
    found = relations.related(source.engine, source.row(name), acl_ids=allowed)
    return {(item.relation, item.document.name) for item in found}


def stating(source: Source, name: str, *stated: tuple[RelationKind, str]):
    ends = tuple(Relation(kind, source.ref(other).uri) for kind, other in stated)
    return replace(source.ref(name), relations=ends)


def test_stated_by_a_listing_in_any_order(source: Source) -> None:
    source.list(stating(source, "plan.pdf", (ATTACHMENT, "mail.eml")))
    assert related(source, "plan.pdf") == set()  # the other one is not there yet
    source.list("mail.eml", stating(source, "answer.eml", (REPLY, "mail.eml")))
    assert related(source, "plan.pdf") == {("attachment_of", "mail.eml")}
    assert related(source, "mail.eml") == {
        ("has_attachment", "plan.pdf"),
        ("has_reply", "answer.eml"),
    }


def test_what_a_source_no_longer_states_is_gone(source: Source) -> None:
    source.list("a", "b", stating(source, "c", (ATTACHMENT, "a"), (REPLY, "a"), (REPLY, "c")))
    assert related(source, "c") == {("attachment_of", "a"), ("reply_to", "a")}
    source.list(stating(source, "c", (ATTACHMENT, "b"), (REPLY, "a")))
    assert related(source, "c") == {("attachment_of", "b"), ("reply_to", "a")}
    source.list("c")
    assert related(source, "a") == related(source, "b") == set()


def test_duplicates_are_other_documents_with_the_same_content(source: Source) -> None:
    source.list("a", "b", "c", "d")
    for name, version in (("a", "v1"), ("b", "v1"), ("c", "v2")):
        source.index(name, version)
    assert related(source, "a") == {("duplicate_of", "b")}
    assert related(source, "d") == set()
    source.delete("b")
    assert related(source, "a") == set()


def test_unreadable_documents_are_never_shown(source: Source) -> None:
    hers = replace(
        stating(source, "hers", (ATTACHMENT, "mail"), (REPLY, "mail")), principals=("user:ann",)
    )
    source.list("mail", hers)
    source.index("mail")
    source.index("hers")
    assert related(source, "mail") == set()
    assert related(source, "mail", "user:ann") == {
        ("has_attachment", "hers"),
        ("has_reply", "hers"),
        ("duplicate_of", "hers"),
    }


def test_deleted_ends_are_not_shown(source: Source) -> None:
    source.list("mail", stating(source, "plan", (ATTACHMENT, "mail")))
    source.delete("mail")
    assert related(source, "plan") == set()


def test_forgotten_with_their_collection(source: Source, engine: Engine) -> None:
    source.list("mail", stating(source, "plan", (ATTACHMENT, "mail")))
    source.index("plan")
    collections.forget(engine, source.collection)
    again = Source(engine)
    again.list("mail", "plan")
    assert related(again, "plan") == set()
