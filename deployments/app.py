"""The query program: the whole Serve graph on one screen."""

# No `from __future__ import annotations` here: Serve reads the annotations of typed arguments.

from collections.abc import Collection, Mapping
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from actors.cluster import refuse_embedded_parts
from deployments.embedder import EmbedderServer
from deployments.ingress import Ingress
from deployments.jobs import JobRunnerServer
from deployments.llm import LLMServer
from deployments.query_processor import QueryProcessor
from deployments.reranker import RerankerServer
from deployments.retriever import Retriever
from smartypants import wiring
from smartypants.accelerator import has_gpu
from smartypants.auth.exposure import check_cluster
from smartypants.ledger.database import migrate
from smartypants.options.serving import Scaling, Separable
from smartypants.settings import Settings


def build_app(settings: Settings) -> Application:
    """Ingress → query processor (→ LLM) → retriever (→ embedder) → reranker → LLM, and the job
    runner. The query processor and the embedder live inside of who asks them, or apart."""
    chosen = settings.serve
    gpus = _gpus(settings)
    apart = _apart(settings, gpus)

    def deployment(cls: type, scaling: Scaling) -> Any:
        return _autoscaled(cls, scaling, gpus=gpus.get(cls, 0.0))

    embedder = query_processor = reranker = None
    if "embedder" in apart:
        embedder = deployment(EmbedderServer, chosen.embedder).bind(settings)
    retriever = deployment(Retriever, chosen.retriever).bind(settings, embedder)
    llm = deployment(LLMServer, chosen.llm).bind(settings)
    if "query_processor" in apart:
        query_processor = deployment(QueryProcessor, chosen.query_processor).bind(settings, llm)
    if settings.reranker.model is not None:
        reranker = deployment(RerankerServer, chosen.reranker).bind(settings)
    app: Application = deployment(serve.ingress()(Ingress), chosen.ingress).bind(
        settings,
        retriever=retriever,
        embedder=embedder or retriever,
        llm=llm,
        job_runner=_single(JobRunnerServer).bind(settings),
        query_processor=query_processor,
        reranker=reranker,
    )
    return app


def app_from_environment(args: dict[str, str]) -> Application:
    """What a RayService imports: the graph of the settings file and the environment."""
    settings = Settings()
    refuse_embedded_parts(settings)
    check_cluster(settings)
    migrate(wiring.open_ledger(settings))
    return build_app(settings)


def _gpus(settings: Settings) -> dict[type, float]:
    """How the models share a GPU by default; the ingest program's embedder has the rest."""
    if not has_gpu(settings):
        return {}
    gpus: dict[type, float] = {RerankerServer: 0.1}
    if not settings.embedder.remote:
        gpus[EmbedderServer] = 0.1
    if settings.llm.in_graph:
        span = settings.llm.tensor_parallel_size
        gpus[LLMServer] = 0.6 if span == 1 else float(span)
    return gpus


def _apart(settings: Settings, gpus: Mapping[type, float]) -> Collection[Separable]:
    """The parts with replicas of their own."""
    if settings.serve.apart is not None:
        return settings.serve.apart
    return ["embedder"] if EmbedderServer in gpus or settings.serve.embedder.num_gpus else []


def _autoscaled(cls: type, scaling: Scaling, *, gpus: float) -> Any:
    return serve.deployment(
        cls,
        autoscaling_config=AutoscalingConfig(
            min_replicas=scaling.min_replicas,
            max_replicas=scaling.max_replicas,
            target_ongoing_requests=scaling.target_ongoing_requests,
        ),
        max_ongoing_requests=scaling.max_ongoing_requests,
        max_queued_requests=scaling.max_queued_requests,
        ray_actor_options={
            "num_cpus": scaling.num_cpus,
            "num_gpus": gpus if scaling.num_gpus is None else scaling.num_gpus,
        },
        health_check_period_s=5,
    )


def _single(cls: type) -> Any:
    """A deployment of which there is never more than one replica."""
    return serve.deployment(
        cls, num_replicas=1, ray_actor_options={"num_cpus": 0}, health_check_period_s=2
    )
