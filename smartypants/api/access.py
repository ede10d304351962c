"""What a caller may read: every route that shows documents or jobs asks here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Engine

from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.errors import DocumentNotFound
from smartypants.ledger import acls, collections, conversations, documents, jobs, sources
from smartypants.ledger.conversations import Conversation
from smartypants.ledger.documents import Document
from smartypants.ledger.jobs import Job
from smartypants.ledger.sources import SeenSource
from smartypants.types import DocumentState


def acl_ids(engine: Engine, caller: Caller) -> tuple[int, ...]:
    """The ACLs of the documents that the caller may read, as of now."""
    return acls.allowed_acl_ids(engine, caller.principals)


def document(
    engine: Engine,
    document_id: str,
    caller: Caller,
    *,
    permission: Permission = Permission.DOCUMENTS_READ,
    get: Callable[[Engine, str], Document] = documents.get,
) -> Document:
    """The document, which the caller may read, and do this with.

    Raises `DocumentNotFound`, the same for one that is not there and one not for the caller;
    `Forbidden` for one that it may only read.
    """
    row = get(engine, document_id)
    if row.acl_id not in acl_ids(engine, caller) or not caller.sees(row.collection):
        raise unknown_document(document_id)
    caller.check(permission, row.collection)
    return row


def unknown_document(document_id: str) -> DocumentNotFound:
    return DocumentNotFound(
        f"There is no document {document_id!r}.", "GET /v1/documents lists them."
    )


def collection(engine: Engine, name: str | None, caller: Caller) -> None:
    """Raises `CollectionNotFound`, the same for one that is not there and one not for the caller.
    None: what is asked has to do with all."""
    if name is not None:
        collections.get(engine, name, caller.reach)


def job(
    engine: Engine, job_id: str, caller: Caller, *, permission: Permission = Permission.JOBS_READ
) -> Job:
    """The job, which the caller submitted, or whose collection it edits.

    Raises `JobNotFound`, the same for one that is not there and one not for the caller.
    """
    row = jobs.get(engine, job_id)
    mine = row.submitted_by == caller.id or caller.edits.has(row.collection)
    if not mine or not caller.sees(row.collection):
        raise jobs.unknown(job_id)
    caller.check(permission, row.collection)
    return row


def source(
    engine: Engine,
    source_id: str,
    caller: Caller,
    *,
    permission: Permission = Permission.DOCUMENTS_READ,
) -> SeenSource:
    """The source, of which the caller may read a document, or whose collection it edits.

    Raises `SourceNotFound`, the same for one that is not there and one not for the caller;
    `Forbidden` for one that it may only see.
    """
    found = sources.seen(
        engine,
        acl_ids=acl_ids(engine, caller),
        reach=caller.reach,
        edits=caller.edits,
        source_id=source_id,
    )
    if not found:
        raise sources.unknown(source_id)
    caller.check(permission, found[0].source.collection)
    return found[0]


def hidden(engine: Engine, document_ids: Iterable[str], caller: Caller) -> set[str]:
    """Those of the documents that the caller may not read now, or that are not there any more."""
    wanted = set(document_ids)
    if not wanted:
        return set()
    allowed = acl_ids(engine, caller)
    shown = {
        row.id
        for row in documents.by_id(engine, wanted).values()
        if row.state != DocumentState.DELETED
        and row.acl_id in allowed
        and caller.sees(row.collection)
        and caller.may(Permission.DOCUMENTS_READ, row.collection)
    }
    return wanted - shown


def conversation(
    engine: Engine, conversation_id: str, caller: Caller, *, removing: bool = False
) -> Conversation:
    """The conversation, which is the caller's; who manages access may remove others' unread.

    Raises `ConversationNotFound`, the same for one that is not there and another's.
    """
    whoevers = removing and caller.may(Permission.ACCESS_MANAGE)
    return conversations.get(engine, conversation_id, None if whoevers else caller.id)
