"""What was chosen: one frozen tree, from `smartypants.yaml` and the environment.

The file is `$SMARTYPANTS_CONFIG`, or `smartypants.yaml` in the working directory. A variable
such as `SMARTYPANTS_HTTP__PORT=9000` overrides `http.port`. An unknown key is an error.
`docs/configuration.md` is generated from the descriptions here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from smartypants import machine
from smartypants.addresses import parse
from smartypants.auditing.settings import AuditSettings
from smartypants.auth.settings import AuthSettings
from smartypants.credentials import Reference
from smartypants.errors import InvalidRequest
from smartypants.limits.settings import LimitSettings
from smartypants.metering.settings import MeteringSettings
from smartypants.provider_options import (
    BaseUrl,
    BreakerSettings,
    EmbeddingProvider,
    LLMProvider,
    RetrySettings,
    routed,
)
from smartypants.recipes import Recipe
from smartypants.safety.options import SafetySettings
from smartypants.storage_options import Options, StorageSettings

Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

ENV_PREFIX = "SMARTYPANTS_"

_PASSWORD_IN_URL = re.compile(r"^[^:]+://[^/@:]*:[^@]*@|[?&]password=", re.IGNORECASE)


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpSettings(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8000, description="Port to listen on.")
    max_body_bytes: PositiveInt = Field(
        64 * 2**20, description="Largest request body; a larger one answers 413."
    )
    max_query_chars: PositiveInt = Field(
        8_000, description="Longest query or question; a longer one answers 422."
    )
    max_top_k: PositiveInt = Field(100, description="Largest `top_k`.")


class LedgerSettings(Section):
    url: str | None = Field(
        None,
        description="`postgresql://ROLE@HOST/DATABASE`. Default: SQLite in `data_dir`, "
        "one machine only.",
    )
    password: Reference | None = Field(
        None, description="Where the role's password is: `env:NAME` or `file:PATH`."
    )

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if url is not None and _PASSWORD_IN_URL.search(url):
            raise ValueError("must not hold a password: refer to it in ledger.password")
        return url


class BlobSettings(Section):
    uri: str | None = Field(
        None,
        description="Where raw files and texts are kept: `file:///…`, `s3://…`, `gs://…` or "
        "`abfs://…`. Default: `data_dir`/blobs.",
    )

    @field_validator("uri")
    @classmethod
    def _carries_no_credentials(cls, uri: str | None) -> str | None:
        if uri is not None:
            try:
                parse(uri)
            except InvalidRequest as exc:
                raise ValueError(str(exc)) from None
        return uri


class VectorSettings(Section):
    kind: str = Field("milvus", description="Plugin in `smartypants.vectorstores`.")
    uri: str | None = Field(
        None,
        description="A Milvus server's URI. Default: an embedded Milvus Lite server in `data_dir`.",
    )
    embedded_port: Port = Field(19530, description="Port of the embedded server, on loopback.")
    token_env: str | None = Field(
        None, description="Environment variable that holds the Milvus token."
    )


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


class RerankerSettings(Section):
    kind: str = Field("cross_encoder", description="Plugin in `smartypants.rerankers`.")
    model: str | None = Field(
        None, description="A folder or hub id. Without one the fused order stands."
    )
    device: str | None = Field(None, description="`cpu`, `cuda`, … Default: what is there.")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of a replica. Default: all cores."
    )
    backend: Literal["auto", "torch", "onnx"] = Field(
        "auto", description="What runs the model, as for `embedder.backend`."
    )
    batch_tokens: PositiveInt | None = Field(
        None,
        description="Padded tokens in one forward pass. Default: what suits the backend.",
    )
    max_batch_requests: PositiveInt = Field(
        8,
        description="Searches whose passages are scored together, at most. More keep a GPU busy; "
        "on a CPU they only wait for each other.",
    )


class LLMSettings(Section):
    kind: str = Field(
        "vllm",
        description="Plugin in `smartypants.llms`: `vllm`, `openai` for any endpoint that speaks "
        "its protocol, or `anthropic`.",
    )
    model: str = Field(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        description="A folder, a hub id, or the id of a model that an installed package carries.",
    )
    served_name: str | None = Field(None, description="The name in `/v1/models`. Default: `model`.")
    max_model_len: PositiveInt = Field(2048, description="Tokens of prompt and answer together.")
    max_num_seqs: PositiveInt = Field(16, description="Sequences that vLLM runs at once.")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of an engine without a GPU. Default: all cores but one."
    )
    gpu_memory_utilization: Share = Field(
        0.6, description="Share of a GPU's memory that vLLM takes."
    )
    tensor_parallel_size: PositiveInt = Field(1, description="GPUs that one engine spans.")
    engine: Options = Field(
        default_factory=dict, description="Further vLLM engine arguments, passed as they are."
    )
    api_base: BaseUrl | None = Field(None, description="Base URL of that endpoint.")
    credential: Reference | None = Field(
        None,
        description="Where that endpoint's key is: `env:NAME` or `file:/PATH`, read again for "
        "each request.",
    )
    timeout_s: PositiveFloat = Field(120.0, description="Time limit for a call to that endpoint.")
    providers: dict[str, LLMProvider] = Field(
        default_factory=dict,
        description="Several endpoints by name, instead of the settings for one. See "
        "docs/providers.md.",
    )
    routes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="`MODEL or PATTERN: [provider, …]`, the order of fallback. Default: all "
        "providers that list the model, in their order.",
    )
    default_model: str | None = Field(
        None,
        description="With providers: the model for answers and for understanding queries. "
        "Default: the first.",
    )
    retries: RetrySettings = Field(
        RetrySettings(), description="Within the deadline, and before anything was delivered."
    )
    breaker: BreakerSettings = Field(
        BreakerSettings(), description="The circuit breaker of each provider, in each replica."
    )

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if not self.providers:
            if self.routes or self.default_model:
                raise ValueError("llm.routes and llm.default_model need llm.providers")
            return self
        for name in ("kind", "model", "served_name", "api_base", "credential", "timeout_s"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"llm.{name} and llm.providers exclude each other")
        engines = [found.models for found in self.providers.values() if found.kind == "vllm"]
        if len(engines) > 1 or any(len(models) > 1 for models in engines):
            raise ValueError("one provider can be of the kind vllm, with one model")
        # Where texts go is said, and no vendor is the default.
        if any(found.kind != "vllm" and not found.api_base for found in self.providers.values()):
            raise ValueError("each of llm.providers needs api_base, besides one of the kind vllm")
        models = routed(self.providers, self.routes)
        if self.default_model is not None and self.default_model not in models:
            raise ValueError(f"llm.default_model is none of {', '.join(models)}")
        return self

    @property
    def models(self) -> dict[str, tuple[str, ...]]:
        """The names in `/v1/models`, each with its providers in the order of fallback."""
        return routed(self.all_providers, self.routes)

    @property
    def name(self) -> str:
        """The model for answers, by its name in `/v1/models`."""
        return self.default_model or next(iter(self.models))

    @property
    def all_providers(self) -> dict[str, LLMProvider]:
        """Those given, or the one that the other settings describe."""
        if self.providers:
            return self.providers
        only = LLMProvider(
            kind=self.kind,
            models={self.served_name or self.model: self.model},
            api_base=self.api_base,
            credential=self.credential,
            timeout_s=self.timeout_s,
            first_token_timeout_s=self.timeout_s,
            token_timeout_s=self.timeout_s,
            context_window=self.max_model_len,
        )
        return {self.kind: only}

    @property
    def in_graph(self) -> bool:
        """Whether vLLM runs here, for any model."""
        return any(found.kind == "vllm" for found in self.all_providers.values())

    @property
    def local_model(self) -> str | None:
        """What vLLM loads for the model for answers; None where others are asked first."""
        first = self.all_providers[self.models[self.name][0]]
        return first.models[self.name] if first.kind == "vllm" else None

    @property
    def longest_context(self) -> int:
        """Tokens that the model with the most of them takes."""
        return max(
            self.max_model_len if found.kind == "vllm" else found.context_window
            for found in self.all_providers.values()
        )


class AnswerSettings(Section):
    top_k: PositiveInt = Field(
        3, description="Passages for the prompt. Small models are confused by more, large ones not."
    )
    context_tokens: PositiveInt = Field(1200, description="Prompt tokens for passages, at most.")
    max_tokens: PositiveInt = Field(128, description="Tokens of an answer, at most.")
    min_answerability: Share = Field(
        0.35,
        description="If the passages are less likely to hold an answer, by an estimate without a "
        "model call, the answer is `not found`. 0: never. See docs/answers.md.",
    )
    min_support: Share = Field(
        0.6, description="Share of a sentence's content that a passage must carry to be cited."
    )
    sentences: PositiveInt = Field(2, description="Sentences of an extractive answer.")
    fallback: Literal["extractive", "error"] = Field(
        "extractive",
        description="What a request gets when the language model is down, overloaded or late.",
    )


class SemanticCacheSettings(Section):
    enabled: bool = Field(
        False,
        description="Give what was found for an earlier question that means the same. It is "
        "sometimes wrong: see docs/caching.md.",
    )
    min_similarity: Share = Field(
        0.95, description="Cosine similarity from which two questions may mean the same."
    )
    max_entries: PositiveInt = Field(10_000, description="Earlier questions that are kept.")


class CacheSettings(Section):
    kind: Literal["none", "memory", "redis"] = Field(
        "memory",
        description="Where search results and answers are kept: nowhere, in each ingress replica, "
        "or in Redis for all of them.",
    )
    url: str | None = Field(
        None, description="With `redis`: `redis://HOST:PORT/DB`, or `rediss://…` for TLS."
    )
    password: Reference | None = Field(
        None, description="Where Redis's password is: `env:NAME` or `file:PATH`."
    )
    max_bytes: PositiveInt = Field(
        64 * 2**20, description="With `memory`: bytes that a replica keeps."
    )
    ttl_s: PositiveFloat = Field(3600.0, description="Seconds after which a result is forgotten.")
    timeout_s: PositiveFloat = Field(
        0.05, description="With `redis`: a call that takes longer is a miss."
    )
    query_vectors: Annotated[int, Field(ge=0)] = Field(
        10_000, description="Vectors of questions that each retriever keeps (1.5 kB each)."
    )
    semantic: SemanticCacheSettings = Field(
        SemanticCacheSettings(), description="The semantic cache."
    )

    @field_validator("url")
    @classmethod
    def _of_redis(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if _PASSWORD_IN_URL.search(url):
            raise ValueError("must not hold a password: refer to it in cache.password")
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @model_validator(mode="after")
    def _redis_has_url(self) -> Self:
        if self.kind == "redis" and self.url is None:
            raise ValueError("cache.kind is redis, so cache.url must be set")
        return self


class Scaling(Section):
    """Autoscaling and queue limits of one deployment."""

    min_replicas: Annotated[int, Field(ge=0)] = 1
    max_replicas: PositiveInt = 1
    target_ongoing_requests: PositiveFloat = 16.0
    max_ongoing_requests: PositiveInt = 64
    max_queued_requests: Annotated[int, Field(ge=-1)] = 256
    num_cpus: NonNegativeFloat = 0.1
    num_gpus: NonNegativeFloat | None = Field(
        None, description="Default: none on CPU; where there is a GPU, a share for each model."
    )


def _scaling(text: str, **values: Any) -> Any:
    return Field(default_factory=lambda: Scaling(**values), description=text)


class ServeSettings(Section):
    """One entry a deployment of the query program, and what an ingress replica lets in.

    What can't be done within its deadline is turned away at once: see `docs/load.md`.
    """

    search_places: PositiveInt = Field(24, description="Searches that a replica has at work.")
    generation_places: PositiveInt = Field(
        16,
        description="Generations that a replica has at work: `llm.max_num_seqs` times the LLM's "
        "replicas over the ingress' replicas.",
    )
    most_waiting: PositiveInt = Field(
        1024, description="Requests of each kind that wait for a place, at most."
    )
    search_budget_s: PositiveFloat = Field(
        10.0, description="What a search without a deadline may take, waiting included."
    )
    generation_budget_s: PositiveFloat = Field(
        120.0, description="What an answer without a deadline may take, waiting included."
    )

    ingress: Scaling = _scaling(
        "HTTP ingress.", max_ongoing_requests=512, max_queued_requests=1024, max_replicas=4
    )
    query_processor: Scaling = _scaling("Query processor.", max_replicas=4)
    retriever: Scaling = _scaling("Retriever.", max_replicas=4)
    embedder: Scaling = _scaling("Query embedder.", max_replicas=2)
    reranker: Scaling = _scaling("Reranker.", max_replicas=2)
    llm: Scaling = _scaling("LLM.", target_ongoing_requests=8, max_queued_requests=64)


class RaySettings(Section):
    address: str | None = Field(
        None, description="A cluster to join, or `auto`. Default: a local one, ended with us."
    )
    num_cpus: PositiveInt | None = Field(
        None, description="Logical CPUs of a local Ray. Default: four times the cores, 8 at least."
    )
    object_store_bytes: PositiveInt = Field(512 * 2**20, description="Object store of a local Ray.")
    dashboard: bool = Field(False, description="Start Ray's dashboard on a local Ray.")


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level.")
    format: Literal["json", "console"] = Field(
        "json", description="One JSON object a line, or text."
    )


class Settings(BaseSettings):
    """The root of the tree."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a value may be a secret in the wrong place
    )

    _machine: str = PrivateAttr(default_factory=machine.identity)

    data_dir: Path = Field(
        default_factory=lambda: Path.home() / ".smartypants",
        description="Where a single machine keeps everything.",
    )
    accelerator: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="`auto` looks for an NVIDIA GPU."
    )
    default_collection: str = Field("default", description="Used where none is named.")
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    audit: AuditSettings = AuditSettings()
    limits: LimitSettings = LimitSettings()
    metering: MeteringSettings = MeteringSettings()
    ledger: LedgerSettings = LedgerSettings()
    blobs: BlobSettings = BlobSettings()
    storage: StorageSettings = StorageSettings()
    vectors: VectorSettings = VectorSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    chunker: ChunkerSettings = ChunkerSettings()
    parsing: ParsingSettings = ParsingSettings()
    ingest: IngestSettings = IngestSettings()
    jobs: JobSettings = JobSettings()
    retrieval: Recipe = Recipe()
    reranker: RerankerSettings = RerankerSettings()
    llm: LLMSettings = LLMSettings()
    answers: AnswerSettings = AnswerSettings()
    safety: SafetySettings = SafetySettings()
    cache: CacheSettings = CacheSettings()
    serve: ServeSettings = ServeSettings()
    ray: RaySettings = RaySettings()
    log: LogSettings = LogSettings()

    @property
    def machine(self) -> str:
        """The machine that the settings were loaded on, wherever they have travelled since."""
        return self._machine

    @property
    def embedded_ledger(self) -> bool:
        return self.ledger_url.lower().startswith("sqlite")

    @property
    def ledger_url(self) -> str:
        return self.ledger.url or f"sqlite:///{self.data_dir / 'ledger.db'}"

    @property
    def embedding_cache_url(self) -> str:
        """A file of its own beside SQLite, which has one writer; else the ledger's database."""
        if self.ledger_url.startswith("sqlite"):
            return f"sqlite:///{self.data_dir / 'embeddings.db'}"
        return self.ledger_url

    @property
    def blob_uri(self) -> str:
        return self.blobs.uri or (self.data_dir / "blobs").absolute().as_uri()

    @property
    def embedded_vectors(self) -> bool:
        return self.vectors.uri is None

    @property
    def vector_uri(self) -> str:
        return self.vectors.uri or f"http://127.0.0.1:{self.vectors.embedded_port}"

    @property
    def model_cache(self) -> Path:
        return self.data_dir / "models"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = Path(os.environ.get(f"{ENV_PREFIX}CONFIG", "smartypants.yaml"))
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, path)
