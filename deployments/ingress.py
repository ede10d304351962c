"""Deployment: the HTTP ingress."""

from __future__ import annotations

from starlette.applications import Starlette

from actors.worker_logs import configure_worker_logs
from deployments.graph import Graph
from deployments.handles import Handle, Handles, Inside
from deployments.query_processor import QueryProcessor
from smartypants.api.app import create_app
from smartypants.settings import Settings


class Ingress:
    """HTTP in; the graph behind it does the work.

    Interprets queries itself where no `query_processor` is given.
    """

    def __init__(
        self,
        settings: Settings,
        retriever: Handle,
        embedder: Handle,
        llm: Handle,
        job_runner: Handle,
        query_processor: Handle | None = None,
        reranker: Handle | None = None,
    ) -> None:
        configure_worker_logs(settings)
        processor = query_processor or Inside(QueryProcessor(settings, llm))
        handles = Handles(processor, retriever, embedder, llm, job_runner, reranker)
        self._graph = Graph(settings, handles)

    def __serve_build_asgi_app__(self) -> Starlette:
        return create_app(self._graph.services(), request_id_echoed=True)
