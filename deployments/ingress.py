"""Deployment: the HTTP ingress."""

from __future__ import annotations

from starlette.applications import Starlette

from actors.worker_logs import configure_worker_logs
from deployments.graph import Graph
from deployments.handles import Handle, Handles
from smartypants.api.app import create_app
from smartypants.settings import Settings


class Ingress:
    """HTTP in; the graph behind it does the work."""

    def __init__(
        self,
        settings: Settings,
        query_processor: Handle,
        retriever: Handle,
        embedder: Handle,
        llm: Handle,
        job_runner: Handle,
        reranker: Handle | None = None,
    ) -> None:
        configure_worker_logs(settings)
        handles = Handles(query_processor, retriever, embedder, llm, job_runner, reranker)
        self._graph = Graph(settings, handles)

    def __serve_build_asgi_app__(self) -> Starlette:
        return create_app(self._graph.services(), request_id_echoed=True)
