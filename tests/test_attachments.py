"""Addresses and references of what came inside a document."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from smartypants.attachments import container, depth, unpack, version_of
from smartypants.attributes import Attributes, attributes
from smartypants.media_types import PDF
from smartypants.types import (
    Attachment,
    DocumentRef,
    Relation,
    RelationKind,
    content_version,
)
from tests.messages import DATE

MAIL = DocumentRef("s", "file:///in/mail.eml", "in/mail.eml", "1", 9)
PARSED = {"from": "Ann Lee <ann@example.org>", "date": DATE, "to": "bob"}


def refs(
    *names: str, message: DocumentRef = MAIL, parsed: dict[str, str] = PARSED, data: bytes = b"x"
) -> list[DocumentRef]:
    files = [Attachment(name, PDF, data) for name in names]
    return [ref for ref, _ in unpack(message, files, title="The offer", parsed=parsed)]


def test_what_an_attachment_is_called_and_belongs_to() -> None:
    first, second, third = refs("a b#1.pdf", "plan.pdf", "a b#1.pdf")
    assert first.uri == "file:///in/mail.eml#attachment/a%20b%231.pdf"
    assert third.uri == f"{first.uri}/2"
    assert second.name == "in/mail.eml/plan.pdf"
    assert second.relations == (Relation(RelationKind.ATTACHMENT_OF, MAIL.uri),)
    assert (second.source_id, second.media_type, second.size) == ("s", PDF, 1)
    assert version_of(second) == content_version(b"x")
    (deep,) = refs("x.pdf", message=second)
    assert container(deep.uri) == second.uri
    assert [depth(uri) for uri in (MAIL.uri, second.uri, deep.uri)] == [0, 1, 2]
    assert container(MAIL.uri) is None


def test_author_and_date_are_the_message_s() -> None:
    def found(ref: DocumentRef) -> Attributes:
        own = {"author": "Somebody", "modified": "2001-01-01"}
        return attributes(
            media_type=ref.media_type, name=ref.name, metadata=ref.metadata, parsed=own
        )

    (plain,) = refs("a.pdf")
    assert plain.metadata["message"] == "The offer"
    assert found(plain) == Attributes(PDF, " ann lee ann example org ", 1_772_525_520)
    uploaded = replace(MAIL, metadata={"Author": "Carl", "title": "T"})
    (given,) = refs("a.pdf", message=uploaded)
    assert found(given).author == " carl "
    (bare,) = refs("a.pdf", parsed={})
    assert found(bare).author == " somebody "


def test_its_mark_of_change_moves_with_what_is_known_of_it() -> None:
    (as_was,) = refs("a.pdf")
    assert refs("a.pdf") == [as_was]
    (other_date,) = refs("a.pdf", parsed=PARSED | {"date": "2020-01-01"})
    (other_bytes,) = refs("a.pdf", data=b"y")
    assert len({as_was.etag, other_date.etag, other_bytes.etag}) == 3
    assert version_of(as_was) == version_of(other_date) != version_of(other_bytes)
    (more_headers,) = refs("a.pdf", parsed=PARSED | {"to": "carl"})
    assert more_headers == as_was


@given(st.lists(st.text(min_size=1, max_size=12), max_size=8))
def test_addresses_are_distinct_and_lead_back(names: list[str]) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in names]
    found = refs(*names)
    assert len({ref.document_id for ref in found}) == len(names)
    assert all(container(ref.uri) == MAIL.uri for ref in found)
    for left_out in range(len(names)):
        rest = [name for number, name in enumerate(names) if number != left_out]
        assert {ref.uri for ref in refs(*rest)} < {ref.uri for ref in found}
