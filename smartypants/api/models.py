"""`GET /v1/models`: what the routes of models may be asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from smartypants.api.bodies import NO_BODY
from smartypants.api.fields import Identifier, NoParams, Params
from smartypants.api.routing import AnyRoute, Call, Route
from smartypants.auth.roles import Permission
from smartypants.errors import ModelNotServed
from smartypants.settings import Settings


class ModelPath(Params):
    model: Identifier


class Model(BaseModel):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[Model]


def check_model(asked: str, *served: str) -> None:
    """Raises `ModelNotServed`."""
    if asked not in served:
        raise ModelNotServed(f"There is no model {asked!r} here.", f"Use {' or '.join(served)}.")


def _served(settings: Settings) -> list[str]:
    reranker = settings.reranker.model
    names = (*settings.llm.models, settings.embedder.model, *([reranker] if reranker else ()))
    return list(dict.fromkeys(names))


def _model(name: str) -> Model:
    return Model(id=name, object="model", created=0, owned_by="smartypants")


async def _list(call: Call[None, NoParams]) -> ModelList:
    return ModelList(object="list", data=[_model(n) for n in _served(call.services.settings)])


async def _get(call: Call[None, ModelPath]) -> Model:
    check_model(call.params.model, *_served(call.services.settings))
    return _model(call.params.model)


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/v1/models",
        tag="OpenAI-compatible",
        summary="List models",
        permission=Permission.MODELS_USE,
        handler=_list,
        body=NO_BODY,
        params=NoParams,
        response=ModelList,
    ),
    Route(
        method="GET",
        path="/v1/models/{model:path}",  # ids such as `org/name` hold a slash
        tag="OpenAI-compatible",
        summary="Get a model",
        permission=Permission.MODELS_USE,
        handler=_get,
        body=NO_BODY,
        params=ModelPath,
        response=Model,
        errors=(ModelNotServed,),
    ),
)
