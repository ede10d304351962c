"""What documents contain is made what was found in them when they were read."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from smartypants.ledger import commits, contents, listing
from smartypants.ledger.commits import Indexed
from smartypants.ledger.database import reading


def note_contents(
    engine: Engine,
    collection: str,
    indexed: Sequence[Indexed],
    *,
    job_id: str,
    max_attempts: int,
) -> int:
    """Note the attachments of documents that are about to be committed, and delete those that
    they no longer have; how many. Idempotent.

    It comes before the commit: after a crash in between the documents are read again.
    """
    read = [item for item in indexed if item.contents is not None]
    if not read:
        return 0
    refs = [ref for item in read for ref in item.contents or ()]
    if refs:
        listing.list_contents(
            engine, refs, collection=collection, job_id=job_id, max_attempts=max_attempts
        )
    now = {ref.document_id for ref in refs}
    readers = {item.document_id for item in read}
    with reading(engine) as connection:
        former = contents.inside(connection, readers)
    gone: set[str] = set()
    for row in former:
        outer = contents.container_id(row.ref)
        if outer in gone or (outer in readers and row.id not in now):
            gone.add(row.id)
    if gone:
        commits.mark_deleted(engine, collection, sorted(gone))
    return len(gone)
