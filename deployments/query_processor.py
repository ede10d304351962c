"""Interprets queries: a part of the ingress, or a deployment (`serve.apart`)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from ray.serve.handle import DeploymentHandle

from actors.worker_logs import configure_worker_logs
from deployments.calls import stream
from smartypants import wiring
from smartypants.metering.payer import NOBODY, Payer, current, paying
from smartypants.processing import Helpers, process
from smartypants.prompts.choosing import ActivePrompts
from smartypants.querying.asking import Reply, whole
from smartypants.querying.vocabulary import Vocabularies
from smartypants.settings import Settings
from smartypants.types import Delta, Message, Query, SamplingParams, SearchPlan


class QueryProcessor:
    """Query → plan; rewriting and expansion ask `LLMServer`, where they are wanted."""

    def __init__(self, settings: Settings, llm: DeploymentHandle[Any]) -> None:
        configure_worker_logs(settings)
        self._settings = settings
        self._engine = wiring.open_ledger(settings)
        self._llm = llm
        vectors = wiring.open_vectors(settings)
        self._helpers = Helpers(
            vectors,
            Vocabularies(vectors),
            wiring.common_words(settings),
            self._ask,
            prompts=ActivePrompts(self._engine),
        )

    async def process(self, query: Query, payer: Payer = NOBODY) -> SearchPlan:
        with paying(payer):
            return await process(
                query, engine=self._engine, settings=self._settings, helpers=self._helpers
            )

    async def _ask(
        self, messages: Sequence[Message], sampling: SamplingParams, deadline: float
    ) -> Reply:
        handle, payer = self._llm.options(stream=True), current()
        deltas = stream(
            lambda: handle.generate.remote(
                list(messages), sampling, uuid.uuid4().hex, deadline, payer
            ),
            Delta,
            deadline=deadline,
        )
        return await whole(deltas)
