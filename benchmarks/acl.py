"""Permissions: what users are shown, against a model of what they may see.

Users, groups, grants, roles and ACLs of documents change at random; after every three changes
somebody asks every route that could show a document: searches, answers, chats, conversations,
lists, jobs, usage, the audit log. The application, the ledger and the Milvus Lite server are real;
a function stands in for the embedding model: a search finds all that it may.

`acl.triples` counts (user, document, route); `acl.leaks` those that were shown and should not have
been, `acl.false_denials` the others that were wrong. `acl.revocation_ms` is the median time from
taking somebody out of a group until the next search is answered without what the group may read;
no vector is written for it.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from benchmarks import _access, _common
from benchmarks._access_documents import found
from benchmarks._access_model import Verdicts
from benchmarks._access_world import COLLECTIONS, World, world
from benchmarks._common import Figures
from smartypants.auth.roles import Role
from smartypants.options.serving import LogSettings
from smartypants.processes import command_that_dies_with_us
from smartypants.telemetry import configure_logs
from smartypants.vectorstores.milvus import MilvusVectorStore

TRIPLES, QUICK_TRIPLES = 200_000, 20_000
REVOCATIONS = 20
SEED = 20261125


def main() -> None:
    parser = _common.arguments("acl", __doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of all changes")
    parser.add_argument("--triples", type=int, metavar="N", help="how many, at least")
    options = parser.parse_args()
    triples = options.triples or (QUICK_TRIPLES if options.quick else TRIPLES)
    with tempfile.TemporaryDirectory(prefix="smartypants-bench-") as name:
        folder = Path(name)
        configure_logs(LogSettings(level="warning"))
        with _milvus(folder / "milvus") as vectors:
            verdicts, revocations = run(folder, vectors, seed=options.seed, triples=triples)
    figures = summary(verdicts, revocations)
    _common.show(_table(verdicts, figures))
    _common.write_json(options.json, figures)


@contextmanager
def _milvus(folder: Path) -> Iterator[MilvusVectorStore]:
    """A Milvus Lite server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = ["--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command = command_that_dies_with_us(sys.executable, "-m", "milvus_lite", "server", *address)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = MilvusVectorStore(uri=f"http://127.0.0.1:{port}", embedded=True)
    try:
        store.wait(60)
        yield store
    finally:
        server.kill()
        server.wait()


def run(
    folder: Path, vectors: MilvusVectorStore, *, seed: int, triples: int
) -> tuple[Verdicts, list[float]]:
    with world(folder, vectors, seed=seed) as made:
        verdicts = _access.tried(made, triples=triples)
        return verdicts, [revocation(made) for _ in range(REVOCATIONS)]


def revocation(made: World) -> float:
    """Milliseconds from taking somebody out of a group to the end of the next search, which
    shows nothing of what only the group may read."""
    made.promote("fay", Role.READER)
    made.set_group("guests", {"fay"})
    shared = [item for item in made.company.items.values() if item.found][:5]
    for item in shared:
        made.share(item, frozenset({"group:guests"}))
    secret = {item.id for item in shared}
    before = found(made, "fay", COLLECTIONS[0]) & secret
    assert before, "there was nothing to revoke"
    started = time.perf_counter()
    made.set_group("guests", set())
    left = found(made, "fay", COLLECTIONS[0]) & secret
    ended = time.perf_counter()
    assert not left, "the search after a revocation shows what was revoked"
    return 1000 * (ended - started)


def summary(verdicts: Verdicts, revocations: list[float]) -> Figures:
    return {
        "acl.triples": verdicts.total,
        "acl.leaks": len(verdicts.leaks),
        "acl.false_denials": len(verdicts.false_denials),
        "acl.revocation_ms": statistics.median(revocations),
        "acl.revocation_ms_max": max(revocations),
    }


def _table(verdicts: Verdicts, figures: Figures) -> Table:
    title = (
        f"{verdicts.total} triples of a user, a document and a route; revoking takes "
        f"{figures['acl.revocation_ms']:.0f} ms (median), the next search included"
    )
    table = Table("route", title=title)
    for name in ("triples", "leaks", "false denials"):
        table.add_column(name, justify="right")
    for route, count in sorted(verdicts.triples.items()):
        leaks = sum(leak[2] == route for leak in verdicts.leaks)
        denials = sum(denial[2] == route for denial in verdicts.false_denials)
        table.add_row(route, str(count), str(leaks), str(denials))
    return table


if __name__ == "__main__":
    main()
