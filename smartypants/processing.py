"""Turns a query as its caller put it into a plan for the retriever."""

from __future__ import annotations

import unicodedata

from sqlalchemy import Engine

from smartypants.errors import ValidationFailed
from smartypants.ledger import collections
from smartypants.settings import Settings
from smartypants.types import Query, SearchPlan


def process(query: Query, *, engine: Engine, settings: Settings) -> SearchPlan:
    """Normalise the text, resolve the collection, and resolve what the caller may read.

    Raises `CollectionNotFound`, `EmbeddingModelMismatch`, or `ValidationFailed` for a query
    without a word.
    """
    text = normalise(query.text)
    if not text:
        raise ValidationFailed("The query has no text.", "Ask something.")
    collection, acl_ids = collections.readable(engine, query.collection, query.principals)
    collections.check_model(collection, settings.embedder.model)
    recipe = settings.retrieval
    wanted = query.rerank if query.rerank is not None else recipe.rerank
    return SearchPlan(
        query=query,
        text=text,
        physical_collection=collection.physical,
        acl_ids=acl_ids,
        standing=collection.standing,
        recipe=recipe,
        filters=query.filters,
        rerank=wanted and settings.reranker.model is not None,
    )


def normalise(text: str) -> str:
    """Unicode NFKC, control characters and runs of white space as one space each."""
    plain = unicodedata.normalize("NFKC", text)
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())
