"""What flows through both programs: documents, chunks, queries, hits, answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from smartypants.auth.reach import EVERYWHERE, Reach

if TYPE_CHECKING:
    from smartypants.attributes import Attributes
    from smartypants.recipes import Recipe

PUBLIC = "public"
"""The principal that everybody has."""


def stable_id(*parts: str | int) -> str:
    """A 32-character hexadecimal id (blake2b, 128 bits) that depends on the parts alone."""
    # With its length before each part, ("a", "b") and any one part stay apart.
    joined = "".join(f"{len(str(part))}:{part}" for part in parts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def content_version(data: bytes) -> str:
    """The version of a document whose source offers no revision: a hash of its bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


# --- documents -----------------------------------------------------------------------------


class DocumentState(StrEnum):
    """`pending → indexed | failed | deleted`; see DESIGN, the ledger is the truth."""

    PENDING = "pending"
    INDEXED = "indexed"
    FAILED = "failed"
    DELETED = "deleted"


class RelationKind(StrEnum):
    """What a document is to another one. `moved_from` is found out, the others are stated."""

    ATTACHMENT_OF = "attachment_of"
    REPLY_TO = "reply_to"
    PART_OF = "part_of"
    MOVED_FROM = "moved_from"


@dataclass(frozen=True, slots=True)
class Relation:
    """What a document is to the document with this URI in the same source."""

    kind: RelationKind
    uri: str


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """Where a document is and how to notice that it changed, without reading it.

    `etag` is the source's cheap change marker (an S3 ETag, `mtime-size` of a file). `metadata`
    is what the source says of it; a `title` there beats the one that the parser finds.
    `relations` need not be listed in any order.
    """

    source_id: str
    uri: str
    name: str
    etag: str
    size: int
    media_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    principals: tuple[str, ...] = (PUBLIC,)
    relations: tuple[Relation, ...] = ()

    @property
    def document_id(self) -> str:
        return stable_id(self.source_id, self.uri)


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled position in a document's text: a page, a slide or a sheet starts here."""

    offset: int
    label: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came inside a document, and the known media type that it claims to have."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as Markdown, with the places where its pages start (character offsets).

    `attachments` are what it carries that is to be a document of its own.
    """

    text: str
    title: str | None = None
    pages: tuple[Mark, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `text == document.text[start:end]`, and where it stands.

    `headings` is the path of headings in force at its first line of text, `above` (with levels)
    at its start; `page` a label such as "3" (PDF), "slide 2" or a sheet's name; `context` what
    stands above the passage and helps to find it: the document's title and the headings.
    """

    document_id: str
    version: str
    index: int
    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: str | None = None
    context: str = ""
    above: tuple[tuple[int, str], ...] = ()

    @property
    def chunk_id(self) -> str:
        return stable_id(self.document_id, self.version, self.index)

    @property
    def searched_text(self) -> str:
        """What is embedded and indexed for BM25."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as the vector store holds it; `vector` has shape (dimension,), where asked for."""

    chunk: Chunk
    chunk_id: str
    acl_id: int
    source_id: str
    vector: NDArray[np.float32] | None = None
    attributes: Attributes | None = None
    """None where the collection was made before there were any."""


@dataclass(frozen=True, slots=True)
class Span:
    """Chunks of one version of a document: those with an index from `first` to `last`."""

    document_id: str
    version: str
    first: int
    last: int


# --- queries -------------------------------------------------------------------------------


Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Restrictions on documents; empty means no restriction.

    `media_types` are whole (`application/pdf`), `authors` are compared without case; a document's
    date (Unix seconds) is `after` or later, and earlier than `before`.
    """

    document_ids: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    after: float | None = None
    before: float | None = None

    @property
    def describe(self) -> bool:
        """Whether they ask for what a document is, besides which one and where from."""
        dated = self.after is not None or self.before is not None
        return bool(self.media_types or self.authors or dated)


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What one request wants otherwise than its collection's recipe; None: as the recipe says."""

    syntax: bool | None = None
    interpret: bool | None = None
    spelling: bool | None = None
    rewrite: bool | None = None
    expansion: str | None = None
    collapse: bool | None = None
    diversity: float | None = None
    neighbours: int = 0
    """Chunks before and after each hit that come along with it."""
    parents: bool = False
    """Whether the section around each hit comes along with it."""
    explain: bool = False
    """Whether every score of every step comes along."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search as its caller put it; `history` are the turns before it."""

    text: str
    collection: str
    top_k: int = 10
    filters: Filters = Filters()
    options: QueryOptions = QueryOptions()
    history: tuple[Message, ...] = ()
    rerank: bool | None = None
    per_document: bool = False
    """One hit a document, its best passage."""
    elsewhere: bool = False
    """Whether `in:` in the text may name another collection: the caller chose none."""
    principals: tuple[str, ...] = (PUBLIC,)
    reach: Reach = EVERYWHERE
    """The collections that the caller may know of."""
    request_id: str = ""
    deadline: float | None = None
    """Unix time in seconds after which nobody waits for the result."""
    shed: tuple[str, ...] = ()
    """Steps that are left out because the system is busy."""
    cache: bool = True
    """Whether a result made before may be given, and this one kept."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a search: what it did, and what it cost."""

    name: str
    ms: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What the query processor decided: everything the retriever needs, nothing else.

    `question` is the whole question, without filters in the syntax, and `text` what is searched
    for; `variants` are further texts for the dense leg,
    `phrases` have to occur word for word, `filters` are the caller's and those found in the text.
    `standing` names the state of the collection that `acl_ids` were read with.
    """

    query: Query
    text: str
    physical_collection: str
    acl_ids: tuple[int, ...]
    recipe: Recipe
    rerank: bool
    filters: Filters = Filters()
    phrases: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    language: str | None = None
    question: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)
    trace: tuple[Step, ...] = ()
    standing: str = ""

    @property
    def candidates(self) -> int:
        """Chunks that each leg returns."""
        wanted = max(self.recipe.candidates, self.query.top_k)
        # Several passages of a document make one hit, so more of them are needed.
        wanted = 2 * wanted if self.query.per_document else wanted
        # Few may have the phrases, which is not known before they are read.
        return max(wanted, min(5 * wanted, 1_000)) if self.phrases else wanted

    @property
    def depth(self) -> int:
        """Hits that the retriever returns, for the steps after it to choose from."""
        depth = self.query.top_k
        if self.rerank:
            depth = max(depth, self.recipe.rerank_depth)
        return max(depth, min(4 * depth, self.candidates)) if self.recipe.diversity else depth


@dataclass(frozen=True, slots=True)
class Understanding:
    """What was made of a query: what was asked and searched for, where, in which documents."""

    text: str
    question: str
    collection: str
    filters: Filters = Filters()
    phrases: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    language: str | None = None

    @classmethod
    def of(cls, plan: SearchPlan) -> Understanding:
        return cls(
            plan.text,
            plan.question or plan.text,
            plan.query.collection,
            plan.filters,
            plan.phrases,
            plan.variants,
            plan.language,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk as a vector store returns it, with the score of one leg."""

    chunk: Chunk
    score: float


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A passage of a readable, current document, with every score that ranked it."""

    chunk: Chunk
    score: float
    scores: Mapping[str, float]
    title: str
    uri: str
    source_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    copies: int = 0
    """Further passages that say the same, which it stands for."""
    neighbours: tuple[Chunk, ...] = ()
    """The chunks around it, in the document's order, where asked for."""
    parent: tuple[Chunk, ...] = ()
    """The chunks of the section that it is in, itself included, where asked for."""
    explanation: Mapping[str, float] = field(default_factory=dict)
    """Every score of every step, where asked for."""
    flags: tuple[str, ...] = ()
    """What speaks against trusting it, such as `injection`; looked for when it is to answer."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first; `skipped` names the steps left out and why; `timings_ms` by step."""

    hits: tuple[SearchHit, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    trace: tuple[Step, ...] = ()
    understood: Understanding | None = None
    cached: bool = False


# --- generation ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to sample, and from which model; the names are OpenAI's."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    model: str | None = None
    """None: the model for answers."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call of a model took. `cost` is None where the provider's prices are not known.

    A call that broke off or whose reader left is not `finished`; what it took is an estimate.
    """

    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int = 0
    estimated: bool = False
    """Counted here, for the provider did not say."""
    cost: float | None = None
    attempts: int = 1
    """Requests that were sent for it, to any provider."""
    finished: bool = True
    request_id: str = ""


FinishReason = Literal["stop", "length", "content_filter"]
"""`content_filter`: a policy refused the text."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of generated text; the last one carries the finish reason and token counts."""

    text: str
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    """Whether the counts are an estimate, for the endpoint gave none."""
    usage: Usage | None = None
    """With the last one, where providers are accounted for."""


@dataclass(frozen=True, slots=True)
class Citation:
    """The exact passage that supports a sentence: `passage == document.text[start:end]`."""

    number: int
    document_id: str
    chunk_id: str
    title: str
    uri: str
    section: str
    page: str | None
    passage: str
    start: int
    end: int
    support: float


@dataclass(frozen=True, slots=True)
class PromptRef:
    """Which version of which template the language model was told."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a reader of an answer should know about it; the code is stable."""

    code: str
    message: str


AnswerMode = Literal["generated", "extractive"]
"""By the language model, or sentences of the documents word for word."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose text carries `[n]` after each sentence that citation n supports.

    Its `finish_reason` is `stop`, `length`, `content_filter` where a policy withheld it, or
    `error` where the model broke off.
    """

    text: str
    found: bool
    citations: tuple[Citation, ...] = ()
    hits: tuple[SearchHit, ...] = ()
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    supported_sentences: int = 0
    sentences: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    trace: tuple[Step, ...] = ()
    understood: Understanding | None = None
    mode: AnswerMode = "generated"
    cached: bool = False
    prompt: PromptRef | None = None
    """None where no model was asked."""
    warnings: tuple[Notice, ...] = ()

    @property
    def supported_share(self) -> float | None:
        """Sentences with a citation among all; None where there is no sentence."""
        return self.supported_sentences / self.sentences if self.sentences else None


AnswerEvent = SearchResult | Delta | Citation | Answer
"""A streamed answer: the hits, then deltas and citations as they come, then the whole."""


def best_per_document(hits: Iterable[SearchHit]) -> list[SearchHit]:
    """Keep each document's best hit, in the order given."""
    seen: dict[str, SearchHit] = {}
    for hit in hits:
        seen.setdefault(hit.chunk.document_id, hit)
    return list(seen.values())
