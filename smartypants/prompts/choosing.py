"""The prompt that a query gets: what is active for its collection as of now."""

from __future__ import annotations

from threading import Lock

from cachetools import LRUCache
from sqlalchemy import Engine

from smartypants.errors import PromptInvalid, PromptNotFound
from smartypants.ledger import prompts
from smartypants.ledger.prompts import Activation
from smartypants.prompts.defaults import DEFAULT, default_prompt
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import assigned, unit
from smartypants.prompts.template import Prompt, Template
from smartypants.types import Query

KEPT = 256
"""Templates that are not read again: a version never changes."""


class ActivePrompts:
    """One small read of the ledger for each choice, so that no activation is missed.

    >>> prompt = ActivePrompts(engine).choose(Kind.ANSWER, query)
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._templates: LRUCache[tuple[Kind, str], Template] = LRUCache(KEPT)
        self._lock = Lock()

    def choose(self, kind: Kind, query: Query) -> Prompt:
        """A template that this release can't read is passed over for the default."""
        activation = prompts.in_force(self._engine, kind, query.collection)
        if activation is None:
            return default_prompt(kind)
        version = assigned(activation.shares, experiment=activation.experiment, unit=unit(query))
        if version == DEFAULT:
            return default_prompt(kind)
        try:
            return Prompt(kind, version, self._template(activation, version))
        except (PromptInvalid, PromptNotFound) as exc:
            default = default_prompt(kind)
            why = f"version {version}: {exc.message}"
            return Prompt(kind, default.version, default.template, default=True, passed_over=why)

    def _template(self, activation: Activation, version: str) -> Template:
        key = (activation.kind, version)
        with self._lock:
            kept = self._templates.get(key)
        if kept is not None:
            return kept
        found = prompts.template(self._engine, activation.kind, activation.collection, version)
        found.used(activation.kind)
        with self._lock:
            self._templates[key] = found
        return found
