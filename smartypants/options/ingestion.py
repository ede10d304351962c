"""The ingest program: how documents are parsed, cut, embedded and committed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from smartypants.options.providers import (
    BreakerSettings,
    EmbeddingProvider,
    RetrySettings,
)
from smartypants.options.section import Section, Share
from smartypants.options.storage import Options


class EmbedderSettings(Section):
    kind: str = Field("sentence_transformers", description="Plugin in `smartypants.embedders`.")
    model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        description="A folder, a hub id, or the id of a model that an installed package carries.",
    )
    options: Options = Field(
        default_factory=dict, description="Keywords of another plugin than the default one."
    )
    device: str | None = Field(None, description="`cpu`, `cuda`, … Default: what is there.")
    threads: PositiveInt | None = Field(
        None, description="CPU threads for each worker. Default: the cores shared among workers."
    )
    backend: Literal["auto", "torch", "onnx"] = Field(
        "auto",
        description="What runs the model. `auto`: ONNX Runtime on a CPU where it is installed "
        "(extra `cpu`), else torch. The ONNX form is made once and kept in `data_dir`/models.",
    )
    batch_tokens: PositiveInt | None = Field(
        None,
        description="Padded tokens in one forward pass. Default: what suits the backend, "
        "256 to 1024 on a CPU and 8192 on a GPU.",
    )
    providers: dict[str, EmbeddingProvider] = Field(
        default_factory=dict,
        description="With `kind: openai`: the endpoints of the model by name, in the order of "
        "fallback. See docs/providers.md.",
    )
    dimension: PositiveInt | None = Field(
        None, description="With providers: the dimension of their vectors."
    )
    max_tokens: PositiveInt = Field(
        512, description="With providers: longer texts are cut; chunks are as long at most."
    )
    tokenizer: str | None = Field(
        None,
        description="With providers: a model with the same tokenizer (a folder, a hub id, …), "
        "which counts tokens here. Default: an estimate from above.",
    )
    retries: RetrySettings = Field(
        RetrySettings(), description="Within the deadline, and before anything was delivered."
    )
    breaker: BreakerSettings = Field(
        BreakerSettings(), description="The circuit breaker of each provider, in each replica."
    )

    @property
    def remote(self) -> bool:
        """Whether others compute the vectors: no model is needed here."""
        return bool(self.providers)

    @model_validator(mode="after")
    def _remote_is_whole(self) -> Self:
        if (self.kind == "openai") != self.remote:
            raise ValueError("embedder.kind is openai just if embedder.providers are given")
        if self.remote and self.dimension is None:
            raise ValueError("embedder.providers need embedder.dimension")
        if any(found.api_base is None for found in self.providers.values()):
            raise ValueError("each of embedder.providers needs api_base")
        return self


class ChunkerSettings(Section):
    kind: str = Field("markdown", description="Plugin in `smartypants.chunkers`.")
    max_tokens: PositiveInt | None = Field(
        None, description="Tokens a chunk. Default: the embedding model's limit."
    )
    context_tokens: Annotated[int, Field(ge=0)] = Field(
        48, description="Tokens of that limit kept free for the title and headings above a chunk."
    )


class AttachmentSettings(Section):
    max_depth: Annotated[int, Field(ge=0, le=10)] = Field(
        3,
        description="Messages within each other whose attachments are indexed; what lies deeper "
        "is a failed row. 0: no attachments are indexed.",
    )
    max_count: Annotated[int, Field(ge=1, le=500)] = Field(
        100, description="A message with more attachments is a failed row."
    )
    max_bytes: PositiveInt = Field(
        50 * 2**20, description="A larger attachment is a failed row; its message is not."
    )


class ParsingSettings(Section):
    max_document_bytes: PositiveInt = Field(
        100 * 2**20, description="A larger document is a failed row."
    )
    max_text_chars: PositiveInt = Field(
        20_000_000, description="A document with more text is a failed row."
    )
    max_chunks: PositiveInt = Field(
        100_000, description="A document with more chunks is a failed row."
    )
    max_metadata_chars: PositiveInt = Field(
        1_000, description="A longer title or metadata value of a document is cut."
    )
    timeout_s: PositiveFloat = Field(
        120.0,
        description="Parsing and chunking one document may take this long; then the process that "
        "does it is killed.",
    )
    memory_bytes: Annotated[int, Field(ge=512 * 2**20)] = Field(
        4 * 2**30, description="Address space of that process."
    )
    max_documents_per_process: PositiveInt = Field(
        1_000, description="After so many documents that process is replaced."
    )
    recycle_rss_bytes: PositiveInt = Field(
        2**30, description="It is also replaced once it keeps this much memory after a document."
    )
    attachments: AttachmentSettings = Field(
        AttachmentSettings(), description="What comes inside e-mail messages."
    )


class IngestSettings(Section):
    read_workers: PositiveInt = Field(1, description="Actors that read, parse and chunk.")
    embed_workers: PositiveInt = Field(1, description="Actors that embed, at least.")
    max_embed_workers: PositiveInt | None = Field(
        None, description="Embedding actors, at most. Default: as many as `embed_workers`."
    )
    write_workers: PositiveInt = Field(1, description="Actors that write to the vector store.")
    embed_cpus: NonNegativeFloat = Field(1.0, description="Logical CPUs an embedding actor books.")
    embed_gpus: NonNegativeFloat | None = Field(
        None,
        description="GPUs an embedding actor books. Default: 0.2 where there is a GPU, else 0.",
    )
    read_batch: PositiveInt = Field(64, description="Documents read in one call, at most.")
    read_batch_bytes: PositiveInt = Field(
        1 * 2**20, description="Bytes of documents read in one call, about."
    )
    batch_chunks: PositiveInt = Field(
        128,
        description="Chunks that are embedded and written in one call, and the most that a kill "
        "at the wrong moment has embedded again; more pay on a GPU.",
    )
    in_flight_documents: PositiveInt | None = Field(
        None,
        description="Documents on their way through the pipeline at once. Default: 128, and four "
        "batches of chunks for each embedding actor.",
    )
    in_flight_bytes: PositiveInt = Field(
        256 * 2**20, description="Bytes of documents on their way at once, about."
    )
    idle_s: NonNegativeFloat = Field(
        600.0, description="The pipeline's actors and their models stay warm for so long."
    )
    commit_interval_s: PositiveFloat = Field(
        5.0, description="Finished documents are flushed and committed this often."
    )
    patience_s: NonNegativeFloat = Field(
        120.0, description="A store that is down is waited for this long, then the job is put off."
    )
    cache_rows: Annotated[int, Field(ge=0)] = Field(
        1_000_000,
        description="Vectors kept by the content of their text, so that none is computed twice "
        "(1.5 kB each at 384 dimensions). 0: none.",
    )
    prune_max_share: Share = Field(
        0.2,
        description="If more than this share of a source would be deleted, stop and ask.",
    )
    prune_min_documents: Annotated[int, Field(ge=0)] = Field(
        5, description="The guard lets this many deletions pass whatever their share."
    )
    max_attempts: PositiveInt = Field(
        4, description="Times that a document is tried whose failure may pass."
    )

    @property
    def most_embed_workers(self) -> int:
        return self.max_embed_workers or self.embed_workers

    @property
    def in_flight(self) -> int:
        return self.in_flight_documents or 128 + 4 * self.batch_chunks * self.most_embed_workers


class JobSettings(Section):
    places: PositiveInt = Field(
        8, description="Jobs that a runner works on at once; they share one pipeline."
    )
    turn_s: PositiveFloat = Field(
        60.0, description="Where jobs wait for a place, one that has had it so long steps back."
    )
    lease_s: PositiveFloat = Field(
        8.0, description="A runner that is silent for so long is taken for dead."
    )
    max_attempts: PositiveInt = Field(
        5, description="Times that a job is tried without progress before it fails."
    )
    backoff_s: PositiveFloat = Field(
        5.0, description="Pause before a job's second attempt; it doubles with each further one."
    )
    max_backoff_s: PositiveFloat = Field(600.0, description="The longest such pause.")
