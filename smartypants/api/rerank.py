"""`POST /v1/rerank`: the reranker alone, as clients of Cohere and Jina call it."""

from __future__ import annotations

import math
import uuid
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from smartypants.api import context
from smartypants.api.bodies import json_body
from smartypants.api.completions import Ignored
from smartypants.api.fields import NoParams, Question, RequestBody
from smartypants.api.models import check_model
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.api.streaming import while_connected
from smartypants.auth.roles import Permission
from smartypants.errors import DeadlineExceeded, ModelNotServed, Overloaded, Unavailable

MAX_DOCUMENTS = 1000

Text = Annotated[str, StringConstraints(min_length=1)]


class RerankText(RequestBody):
    text: Text


class RerankRequest(RequestBody):
    """A document longer than the model's limit is cut."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "cross-encoder/ms-marco-MiniLM-L6-v2",
                    "query": "notice period",
                    "documents": ["Three months.", "The rent is due on the first."],
                    "top_n": 1,
                }
            ]
        }
    )

    model: str
    query: Question
    documents: Annotated[list[Text | RerankText], Field(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Field(ge=1)] | None = Field(None, description="Default: all.")
    return_documents: bool = False
    max_tokens_per_doc: Ignored = None
    max_chunks_per_doc: Ignored = None
    priority: Ignored = None
    truncation: Ignored = None


class RerankedText(BaseModel):
    text: str


class RerankResult(BaseModel):
    index: int = Field(description="Of the request's documents.")
    relevance_score: float = Field(description="From 0 to 1.")
    document: RerankedText | None = Field(None, description="With `return_documents`.")


class RerankResponse(BaseModel):
    """Best first."""

    id: str
    model: str
    results: list[RerankResult]


async def _rerank(call: Call[RerankRequest, NoParams]) -> RerankResponse:
    body, services = call.body, call.services
    served = services.settings.reranker.model
    rerank = services.rerank
    if served is None or rerank is None:
        raise ModelNotServed("There is no reranker here.", "Set reranker.model.")
    check_model(body.model, served)
    texts = [each if isinstance(each, str) else each.text for each in body.documents]
    deadline = context.deadline(call.request)

    async def work() -> list[float]:
        return await rerank(body.query, texts, deadline)

    logits = await while_connected(call.request.receive, work())
    best = sorted(range(len(texts)), key=lambda index: -logits[index])
    return RerankResponse(
        id=uuid.uuid4().hex,
        model=body.model,
        results=[
            RerankResult(
                index=index,
                relevance_score=_probability(logits[index]),
                document=RerankedText(text=texts[index]) if body.return_documents else None,
            )
            for index in best[: body.top_n]
        ],
    )


def _probability(logit: float) -> float:
    """The logistic function, which keeps the order; without overflow for a large negative one."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/rerank",
        changes=False,
        tag="Cohere- and Jina-compatible",
        summary="Rank texts by how well they answer a query",
        permission=Permission.MODELS_USE,
        handler=_rerank,
        body=json_body(RerankRequest),
        params=NoParams,
        response=RerankResponse,
        errors=(ModelNotServed, Overloaded, Unavailable, DeadlineExceeded),
    ),
)
