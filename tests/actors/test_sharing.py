"""One pipeline for several runs, on a real local Ray: none waits for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import ray

from actors.sharing import SharedPipeline
from actors.work import SourceSpec, Work
from smartypants import ingest_wiring, wiring
from smartypants.ledger import collections
from tests.actors.conftest import Site

pytestmark = [pytest.mark.ray, pytest.mark.integration, pytest.mark.timeout(600)]


def works(site: Site) -> list[Work]:
    """One for each document in the folder."""
    collection = collections.ensure(
        site.engine, site.collection, embedding_model=site.settings.embedder.model, dimension=384
    )
    wiring.open_vectors(site.settings).create(collection.physical, dimension=384)
    spec = SourceSpec("filesystem", site.collection, str(site.folder))
    connector = ingest_wiring.open_connector(
        site.settings,
        kind=spec.kind,
        collection=spec.collection,
        uri=spec.uri,
        blobs=wiring.open_blobs(site.settings),
    )
    return [Work(spec, collection.physical, ref, 1, None) for ref in connector.discover()]


def write(site: Site, count: int) -> None:
    for number in range(count):
        (site.folder / f"{number:03}.txt").write_text(f"Note {number} of the harbour. " * 90)


def names(pipeline: SharedPipeline, works: Iterator[Work]) -> Counter[str]:
    """Of the documents that a run gets back."""
    done: Counter[str] = Counter()
    for finished in pipeline.run(works, weight=1.0):
        assert all(item.indexed for item in finished)
        done.update(item.work.ref.name for item in finished)
    return done


def test_runs_over_the_same_documents(site: Site) -> None:
    """As of a job that was cancelled and retried, and of one that indexes anew meanwhile."""
    write(site, 60)
    todo = works(site)
    stopped = site.pipeline.run(iter(todo), weight=1.0)
    while not next(stopped):
        pass
    stopped.close()  # type: ignore[attr-defined]
    with ThreadPoolExecutor() as threads:
        runs = [threads.submit(names, site.pipeline, iter(todo)) for _ in range(2)]
        for run in runs:
            assert run.result() == dict.fromkeys((work.ref.name for work in todo), 1)


def test_a_full_pipeline_that_dies_is_filled_again(site: Site) -> None:
    write(site, 40)
    todo = works(site)
    narrow = site.settings.ingest.model_copy(update={"in_flight_documents": 8})
    settings = site.settings.model_copy(update={"ingest": narrow})
    done: Counter[str] = Counter()
    with SharedPipeline(settings) as pipeline:
        killed = False
        for finished in pipeline.run(iter(todo), weight=1.0):
            done.update(item.work.ref.name for item in finished)
            if finished and not killed:
                ray.kill(pipeline._actor)
                killed = True
    assert done == dict.fromkeys((work.ref.name for work in todo), 1)
