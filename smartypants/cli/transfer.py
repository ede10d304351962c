"""`smartypants export` and `smartypants import`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from smartypants import runtime, wiring
from smartypants.auditing import events
from smartypants.cli.output import CollectionName, Json, err, out, print_json, reporting
from smartypants.ledger import audit
from smartypants.ledger.database import migrate
from smartypants.settings import Settings
from smartypants.transfer.exporting import export_collection
from smartypants.transfer.importing import import_collection

Folder = Annotated[str, typer.Argument(help="A folder, or a URI of one, as blobs.uri takes it.")]


def export(
    collection: str,
    folder: Folder,
    raw: Annotated[bool, typer.Option("--raw", help="With the documents' own bytes, too.")] = False,
    json: Json = False,
) -> None:
    """Write a collection as Parquet files: documents, permissions, history, chunks, vectors.

    Whoever can read the files can read the documents: keep them accordingly.
    """
    with reporting(json) as settings, _counting() as progress:
        _require_store(settings)
        engine = wiring.open_ledger(settings)
        audit.record(engine, events.exported("collection", collection=collection))
        found = export_collection(
            engine,
            wiring.open_vectors(settings),
            wiring.open_blobs(settings),
            collection,
            wiring.open_folder(settings, folder),
            raw=raw,
            progress=progress,
        )
        if json:
            return print_json(found.model_dump())
        size = sum(file.size for file in found.files)
        out.print(
            f"{found.documents} documents, {found.chunks} chunks of {found.embedding_model} "
            f"in {len(found.files)} files, {size / 2**20:.1f} MiB.",
            markup=False,
        )


def import_(
    folder: Folder,
    collection: CollectionName = None,
    json: Json = False,
) -> None:
    """Make a collection of exported files, by default with its former name; nothing is embedded.

    Running it again does what is left.
    """
    with reporting(json) as settings, _counting() as progress:
        _require_store(settings)
        engine = wiring.open_ledger(settings)
        migrate(engine)
        found = import_collection(
            engine,
            wiring.open_vectors(settings),
            wiring.open_blobs(settings),
            wiring.open_folder(settings, folder),
            embedding_model=settings.embedder.model,
            collection=collection,
            progress=progress,
        )
        if json:
            return print_json(asdict(found))
        out.print(
            f"Collection {found.collection}: {found.documents} documents, {found.chunks} chunks, "
            f"{found.written} of them written now.",
            markup=False,
        )


def _require_store(settings: Settings) -> None:
    if settings.embedded_vectors:
        runtime.require_running(settings)


@contextmanager
def _counting() -> Iterator[Callable[[str, int], None]]:
    done: Counter[str] = Counter()
    with err.status("Starting …") as spinner:

        def show(kind: str, rows: int) -> None:
            done[kind] += rows
            spinner.update(", ".join(f"{count} {name}" for name, count in done.items()))

        yield show
