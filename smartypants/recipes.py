"""How searches of a collection are made: which steps, which legs, which weights.

The settings hold the recipe of every collection that has none of its own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from smartypants.types import QueryOptions, stable_id

Share = Annotated[float, Field(ge=0, le=1)]


class Expansion(StrEnum):
    """What else is searched for besides the question, as a language model writes it."""

    NONE = "none"
    QUERIES = "queries"
    HYPOTHETICAL = "hypothetical"


class Recipe(BaseModel):
    """A weight of 0 leaves its leg out altogether."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: PositiveInt = Field(100, description="Chunks that each leg returns.")
    fusion: Literal["weighted", "rrf"] = Field(
        "weighted", description="Sum of scaled scores, or reciprocal rank fusion."
    )
    dense_weight: Share = Field(
        0.5, description="The dense leg's share; BM25 has the rest. 0 and 1 leave a leg out."
    )
    rrf_k: PositiveInt = Field(60, description="With `rrf`: its constant.")
    rerank: bool = Field(True, description="Whether a reranker, where one is, has the last word.")
    rerank_depth: PositiveInt = Field(32, description="Hits that are reranked.")
    rerank_weight: Share = Field(
        1.0, description="The reranker's share in the last score; the fused score has the rest."
    )
    collapse: bool = Field(True, description="Whether passages that say the same are shown once.")
    diversity: Share = Field(
        0.0, description="How much hits that resemble better ones are set back (MMR)."
    )
    syntax: bool = Field(
        True, description='Whether `type:pdf`, `after:2023` and "exact phrases" are understood.'
    )
    interpret: bool = Field(
        True, description="Whether filters put in plain words (`PDFs from 2023`) are filters."
    )
    spelling: bool = Field(True, description="Whether words that no document has are corrected.")
    rewrite: bool = Field(
        True, description="Whether a question that leans on earlier ones is made whole by the LLM."
    )
    expansion: Expansion = Field(
        Expansion.NONE, description="What the LLM adds: more queries, or a hypothetical answer."
    )

    def but(self, options: QueryOptions) -> Recipe:
        """The recipe as one request wants it."""
        wanted = {
            name: value
            for name in type(self).model_fields
            if (value := getattr(options, name, None)) is not None
        }
        return Recipe.model_validate({**self.model_dump(), **wanted}) if wanted else self

    @property
    def version(self) -> str:
        """Changes with the recipe."""
        return stable_id(self.model_dump_json())
