"""Turns a query as its caller put it into a plan for the retriever, step by step.

normalise → syntax → language → rewriting → plain words → spelling → expansion. Each step can be
switched off, says what it did and what it cost, and is left out where it can't be made in time.
"""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine

from smartypants.choices import BUSY, Choice
from smartypants.errors import CollectionNotFound, ValidationFailed
from smartypants.ledger import acls, collections, documents, listing, recipes
from smartypants.ledger.collections import Collection
from smartypants.prompts.choosing import ActivePrompts
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.kinds import Kind
from smartypants.prompts.template import Prompt
from smartypants.protocols import VectorStore
from smartypants.querying import expanding, language, plain_words, rewriting, spelling, syntax
from smartypants.querying.asking import Ask, Pace, Reply, ask_in_time
from smartypants.querying.narrowing import narrowed
from smartypants.querying.recording import Recorder
from smartypants.querying.vocabulary import Vocabularies
from smartypants.recipes import Expansion, Recipe
from smartypants.settings import Settings
from smartypants.types import Filters, Query, SearchPlan

CHECKED = 5
"""Chunks that are asked for to see whether a word is in any readable document."""


@dataclass(frozen=True, slots=True)
class Helpers:
    """What some steps need; a step whose helper is None is left out."""

    vectors: VectorStore | None = None
    vocabularies: Vocabularies | None = None
    common: frozenset[str] = frozenset()
    """Words that are not corrected, whether documents have them or not."""
    ask: Ask | None = None
    pace: Pace = field(default_factory=Pace)
    prompts: ActivePrompts | None = None
    """None: the packaged prompts are used."""

    async def prompt(self, kind: Kind, query: Query) -> Prompt:
        if self.prompts is None:
            return default_prompt(kind)
        return await asyncio.to_thread(self.prompts.choose, kind, query)


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    query: Query
    recipe: Recipe
    collection: Collection
    acl_ids: tuple[int, ...]
    text: str
    filters: Filters
    phrases: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    language: str | None = None
    recorder: Recorder = field(default_factory=Recorder)


async def process(
    query: Query, *, engine: Engine, settings: Settings, helpers: Helpers | None = None
) -> SearchPlan:
    """Interpret the query, resolve the collection, and resolve what the caller may read.

    Raises `CollectionNotFound`, `EmbeddingModelMismatch`, or `ValidationFailed` for a query
    without a word.
    """
    helpers = helpers or Helpers()
    draft = await asyncio.to_thread(_begin, query, engine, settings)
    with draft.recorder.step("language") as note:
        draft.language = language.detect(draft.text)
        note.detail = draft.language or "not clear"
    await _rewrite(draft, helpers)
    question = draft.text
    _interpret(draft)
    await _spell(draft, engine, helpers)
    await _expand(draft, helpers)
    wanted = query.rerank if query.rerank is not None else draft.recipe.rerank
    return SearchPlan(
        query=draft.query,
        text=draft.text,
        physical_collection=draft.collection.physical,
        acl_ids=draft.acl_ids,
        standing=draft.collection.standing,
        recipe=draft.recipe,
        rerank=wanted and settings.reranker.model is not None,
        filters=draft.filters,
        phrases=draft.phrases,
        variants=draft.variants,
        language=draft.language,
        question=question,
        skipped=draft.recorder.skipped,
        trace=tuple(draft.recorder.steps),
    )


def normalise(text: str) -> str:
    """Unicode NFKC, control characters and runs of white space as one space each."""
    plain = unicodedata.normalize("NFKC", text)
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())


def _begin(query: Query, engine: Engine, settings: Settings) -> _Draft:
    """What the ledger knows, and the steps that ask it."""
    text = normalise(query.text)
    if not text:
        raise ValidationFailed("The query has no text.", "Ask something.")
    recorder = Recorder()
    recipe = _recipe(query, engine, settings)
    parsed = syntax.Parsed(text)
    if recipe.syntax:
        with recorder.step("syntax") as note:
            parsed = _parsed(text, query, engine)
            note.detail = " ".join(parsed.read)
    else:
        recorder.skip("syntax", Choice.SWITCHED_OFF)
    if parsed.collection is not None:
        query = replace(query, collection=parsed.collection)
        recipe = _recipe(query, engine, settings)
    collection, acl_ids = collections.readable(
        engine, query.collection, query.principals, query.reach
    )
    collections.check_model(collection, settings.embedder.model, settings.embedder.dimension)
    return _Draft(
        query,
        recipe,
        collection,
        acl_ids,
        # Of a query of filters alone all words are searched for: they are all there is.
        text=parsed.text or text,
        filters=narrowed(query.filters, parsed.filters),
        phrases=parsed.phrases,
        recorder=recorder,
    )


def _recipe(query: Query, engine: Engine, settings: Settings) -> Recipe:
    """The collection's, with what this query wants otherwise."""
    tuned = recipes.active(engine, query.collection)
    return (tuned.recipe if tuned else settings.retrieval).but(query.options)


def _parsed(text: str, query: Query, engine: Engine) -> syntax.Parsed:
    def exists(name: str) -> bool:
        if not query.elsewhere or not query.reach.has(name):
            return False
        try:
            collections.get(engine, name)
        except CollectionNotFound:
            return False
        return True

    # `source:` names a source of the collection that `in:` names, wherever in the text that is.
    other = syntax.parse(text, syntax.Names(lambda _: (), exists)).collection

    def sources(name: str) -> tuple[str, ...]:
        allowed = acls.allowed_acl_ids(engine, query.principals)
        where = other or query.collection
        called = listing.sources_called(engine, where, name, acl_ids=allowed)
        return tuple(item.id for item in called)

    return syntax.parse(text, syntax.Names(sources, exists))


async def _rewrite(draft: _Draft, helpers: Helpers) -> None:
    history = [turn for turn in draft.query.history if turn.role != "system"]
    if not draft.recipe.rewrite:
        draft.recorder.skip("rewrite", Choice.SWITCHED_OFF)
    elif not history:
        draft.recorder.skip("rewrite", Choice.NO_EARLIER_TURNS)
    elif not rewriting.leans(draft.text):
        draft.recorder.skip("rewrite", Choice.STANDS_BY_ITSELF)
    else:
        with draft.recorder.step("rewrite") as note:
            prompt = await helpers.prompt(Kind.REWRITE, draft.query)
            reply = await ask_in_time(
                "rewrite",
                rewriting.messages(
                    draft.text,
                    history,
                    draft.language,
                    prompt=prompt,
                    collection=draft.query.collection,
                ),
                rewriting.SAMPLING,
                ask=helpers.ask,
                pace=helpers.pace,
                deadline=draft.query.deadline,
            )
            draft.text = rewriting.checked(normalise_lines(reply.text), draft.text, history)
            note.detail = _cost(reply, prompt)


def normalise_lines(text: str) -> str:
    """`normalise`, line by line."""
    return "\n".join(normalise(line) for line in text.splitlines())


def _interpret(draft: _Draft) -> None:
    if not draft.recipe.interpret:
        draft.recorder.skip("interpret", Choice.SWITCHED_OFF)
        return
    if not language.may_be_english(draft.language):
        draft.recorder.skip("interpret", Choice.NOT_ENGLISH)
        return
    with draft.recorder.step("interpret") as note:
        found = plain_words.interpret(draft.text)
        if found is not None:
            note.detail = draft.text
            draft.text, draft.filters = found.text, narrowed(draft.filters, found.filters)


async def _spell(draft: _Draft, engine: Engine, helpers: Helpers) -> None:
    if not draft.recipe.spelling:
        draft.recorder.skip("spelling", Choice.SWITCHED_OFF)
        return
    if helpers.vocabularies is None or helpers.vectors is None:
        draft.recorder.skip("spelling", Choice.NO_VOCABULARY)
        return
    store, collection = helpers.vectors, draft.collection
    vocabulary = helpers.vocabularies.of(collection.physical, collection.epoch)
    if vocabulary is None:
        draft.recorder.skip("spelling", "the vocabulary is being made")
        return

    def indexed(word: str) -> bool:
        """Whether a document that the caller may read, and may be shown, has the word now."""
        found = store.lexical(
            collection.physical, [word], limit=CHECKED, acl_ids=draft.acl_ids, filters=Filters()
        )[0]
        rows = documents.by_id(engine, [item.chunk.document_id for item in found])
        return any(row.searchable and row.acl_id in draft.acl_ids for row in rows.values())

    with draft.recorder.step("spelling") as note:
        draft.text, corrected = await asyncio.to_thread(
            spelling.correct,
            draft.text,
            vocabulary,
            acl_ids=draft.acl_ids,
            indexed=indexed,
            common=helpers.common,
            keep=draft.phrases,
        )
        note.detail = ", ".join(f"{wrong} → {right}" for wrong, right in corrected.items())


async def _expand(draft: _Draft, helpers: Helpers) -> None:
    chosen = draft.recipe.expansion
    if chosen is Expansion.NONE:
        draft.recorder.skip("expansion", Choice.SWITCHED_OFF)
        return
    if draft.recipe.dense_weight == 0:
        draft.recorder.skip("expansion", Choice.NO_DENSE_LEG)
        return
    if "expansion" in draft.query.shed:
        draft.recorder.skip("expansion", BUSY)
        return
    with draft.recorder.step("expansion") as note:
        prompt = await helpers.prompt(Kind.EXPAND, draft.query)
        reply = await ask_in_time(
            f"expansion by {chosen}",
            expanding.messages(
                chosen,
                draft.text,
                prompt=prompt,
                language=draft.language,
                collection=draft.query.collection,
            ),
            expanding.SAMPLING[chosen],
            ask=helpers.ask,
            pace=helpers.pace,
            deadline=draft.query.deadline,
        )
        draft.variants = expanding.variants(chosen, normalise_lines(reply.text), draft.text)
        note.detail = _cost(reply, prompt)


def _cost(reply: Reply, prompt: Prompt) -> str:
    if prompt.default and not prompt.passed_over:
        return reply.cost
    return f"{reply.cost}, prompt {prompt.passed_over or prompt.version}"
