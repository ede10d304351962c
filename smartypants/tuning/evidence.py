"""What speaks for a recipe: on which queries it was chosen, and how it and the others did."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Score = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(_Part):
    """nDCG@10 of one recipe, over the queries it could be chosen by and over the held-out ones."""

    name: str
    train: Score
    held_out: Score


class Gate(_Part):
    """Whether the recipe that was proposed may be used instead of the best single leg."""

    passed: bool
    margin: Score = Field(description="nDCG@10 that it may be below.")
    proposed: str
    proposed_score: Score = Field(description="Of choosing so, on queries that it did not know.")
    best_single: str
    best_single_score: Score


class Evidence(_Part):
    """The record of one tuning."""

    at: datetime
    judgments: str = Field(description="Where they came from.")
    train_queries: int
    held_out_queries: int
    cross_validated: bool = Field(
        description="Few queries: each took part in choosing, and was held out once."
    )
    unknown_documents: int = Field(description="Relevant documents that are not here.")
    queries_without_relevant: int
    embedding_model: str
    reranker: str | None
    documents: int
    chunks: int
    chosen: str
    before: str = Field(description="The recipe that was in use.")
    gate: Gate
    scores: list[Measured] = Field(description="Of every recipe that was tried.")
