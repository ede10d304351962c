"""Jobs that cut and embed a collection anew, from the texts that were kept."""

from __future__ import annotations

from sqlalchemy import Engine

from smartypants import wiring
from smartypants.ledger import collections, jobs
from smartypants.settings import Settings
from smartypants.types import stable_id

KIND = "reindex"
SCHEMA = 2
"""Rises with the fields that a chunk has in the vector store."""


def submit(
    engine: Engine,
    settings: Settings,
    collection: str,
    *,
    model: str | None = None,
    submitted_by: str | None = None,
) -> jobs.Job:
    """Queue it; one at a time runs for a collection. `model`: another one than is configured.

    Raises `CollectionNotFound`, `ModelNotFound`.
    """
    collections.get(engine, collection)
    wiring.embedding_shape(with_model(settings, model))
    params = {"connector": KIND, "uri": f"{KIND}:{collection}", "model": model}
    return jobs.submit(engine, KIND, collection, params, submitted_by=submitted_by)


def with_model(settings: Settings, model: str | None) -> Settings:
    """The settings as they would be with another embedding model."""
    if model is None or model == settings.embedder.model:
        return settings
    embedder = settings.embedder.model_copy(update={"model": model})
    return settings.model_copy(update={"embedder": embedder})


def recipe(settings: Settings) -> str:
    """What tells apart generations: all that chunks and vectors depend on, besides the texts."""
    embedder = settings.embedder
    theirs = (str(embedder.dimension), embedder.max_tokens) if embedder.remote else ()
    return stable_id(SCHEMA, embedder.model, settings.chunker.model_dump_json(), *theirs)
