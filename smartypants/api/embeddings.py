"""`POST /v1/embeddings`: the embedding model alone, as OpenAI's clients call it."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from smartypants.api import context
from smartypants.api.bodies import json_body
from smartypants.api.fields import NoParams, RequestBody
from smartypants.api.models import check_model
from smartypants.api.problems import FieldError, InvalidFields
from smartypants.api.routing import AnyRoute, Call, Route, json_response
from smartypants.api.streaming import while_connected
from smartypants.auth.roles import Permission
from smartypants.errors import DeadlineExceeded, ModelNotServed, Overloaded, Unavailable
from smartypants.protocols import Vectors

_CHARS_PER_TOKEN = 4

Text = Annotated[str, Field(min_length=1)]


class EmbeddingsRequest(RequestBody):
    """OpenAI's request, for texts; a text longer than the model's limit is cut."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "sentence-transformers/all-MiniLM-L6-v2", "input": ["a text"]}]
        }
    )

    model: str
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, description="Only the model's own.")] | None = None
    user: Annotated[object, Field(description="Accepted and ignored.")] = None


class Embedding(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(description="Base64 of little-endian float32, if asked.")


class EmbeddingUsage(BaseModel):
    prompt_tokens: int = Field(description="An estimate.")
    total_tokens: int


class EmbeddingList(BaseModel):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


async def _embed(call: Call[EmbeddingsRequest, NoParams]) -> Response:
    body = call.body
    check_model(body.model, call.services.settings.embedder.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    deadline = context.deadline(call.request)

    async def work() -> Vectors:
        return await call.services.embed(texts, deadline)

    vectors = await while_connected(call.request.receive, work())
    if body.dimensions not in (None, vectors.shape[1]):
        message = f"the model has {vectors.shape[1]} dimensions"
        wrong = FieldError(path="/dimensions", message=message)
        raise InvalidFields(f"/dimensions: {message}", "Leave it out.", (wrong,))
    # A full request is some megabytes of JSON: too long for the event loop.
    return await asyncio.to_thread(_render, body, texts, vectors)


def _render(body: EmbeddingsRequest, texts: list[str], vectors: Vectors) -> Response:
    def encode(row: Vectors) -> list[float] | str:
        if body.encoding_format == "base64":
            return base64.b64encode(row.astype(np.dtype("<f4")).tobytes()).decode()
        return [float(value) for value in row]

    tokens = sum(-(-len(text) // _CHARS_PER_TOKEN) for text in texts)
    return json_response(
        EmbeddingList(
            object="list",
            data=[
                Embedding(object="embedding", index=index, embedding=encode(row))
                for index, row in enumerate(vectors)
            ],
            model=body.model,
            usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
        )
    )


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/embeddings",
        changes=False,
        tag="OpenAI-compatible",
        summary="Embed texts",
        permission=Permission.MODELS_USE,
        handler=_embed,
        body=json_body(EmbeddingsRequest),
        params=NoParams,
        response=EmbeddingList,
        errors=(ModelNotServed, Overloaded, Unavailable, DeadlineExceeded),
    ),
)
