"""The query program: the whole Serve graph on one screen."""

# No `from __future__ import annotations` here: Serve reads the annotations of typed arguments.

from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from deployments.embedder import EmbedderServer
from deployments.ingress import Ingress
from deployments.jobs import JobRunnerServer
from deployments.llm import LLMServer
from deployments.query_processor import QueryProcessor
from deployments.reranker import RerankerServer
from deployments.retriever import Retriever
from smartypants.settings import Scaling, Settings


def build_app(settings: Settings) -> Application:
    """Ingress → query processor → retriever (→ embedder) → reranker → LLM, and the job runner."""
    chosen = settings.serve
    embedder = _deployment(EmbedderServer, chosen.embedder).bind(settings)
    reranker = None
    if settings.reranker.model is not None:
        reranker = _deployment(RerankerServer, chosen.reranker).bind(settings)
    app: Application = _deployment(serve.ingress()(Ingress), chosen.ingress).bind(
        settings,
        query_processor=_deployment(QueryProcessor, chosen.query_processor).bind(settings),
        retriever=_deployment(Retriever, chosen.retriever).bind(settings, embedder),
        embedder=embedder,
        reranker=reranker,
        llm=_deployment(LLMServer, chosen.llm).bind(settings),
        job_runner=_single(JobRunnerServer).bind(settings),
    )
    return app


def app_from_environment(args: dict[str, str]) -> Application:
    """What a RayService imports: the graph of the settings file and the environment."""
    return build_app(Settings())


def _deployment(cls: type, scaling: Scaling) -> Any:
    return serve.deployment(
        cls,
        autoscaling_config=AutoscalingConfig(
            min_replicas=scaling.min_replicas,
            max_replicas=scaling.max_replicas,
            target_ongoing_requests=scaling.target_ongoing_requests,
        ),
        max_ongoing_requests=scaling.max_ongoing_requests,
        max_queued_requests=scaling.max_queued_requests,
        ray_actor_options={"num_cpus": scaling.num_cpus, "num_gpus": scaling.num_gpus},
        health_check_period_s=5,
    )


def _single(cls: type) -> Any:
    """A deployment of which there is never more than one replica."""
    return serve.deployment(cls, num_replicas=1, ray_actor_options={"num_cpus": 0})
