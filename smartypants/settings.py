"""What was chosen: one frozen tree, from `smartypants.yaml` and the environment.

The file is `$SMARTYPANTS_CONFIG`, or `smartypants.yaml` in the working directory. A variable
such as `SMARTYPANTS_HTTP__PORT=9000` overrides `http.port`. An unknown key is an error.
`docs/configuration.md` is generated from the descriptions here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from smartypants import machine
from smartypants.auditing.settings import AuditSettings
from smartypants.auth.settings import AuthSettings
from smartypants.chatting.settings import ChatSettings
from smartypants.limits.settings import LimitSettings
from smartypants.metering.settings import MeteringSettings
from smartypants.options.answering import AnswerSettings, LLMSettings, RerankerSettings
from smartypants.options.ingestion import (
    ChunkerSettings,
    EmbedderSettings,
    IngestSettings,
    JobSettings,
    ParsingSettings,
)
from smartypants.options.serving import HttpSettings, LogSettings, RaySettings, ServeSettings
from smartypants.options.storage import StorageSettings
from smartypants.options.stores import BlobSettings, CacheSettings, LedgerSettings, VectorSettings
from smartypants.recipes import Recipe
from smartypants.safety.options import SafetySettings

ENV_PREFIX = "SMARTYPANTS_"


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
    chat: ChatSettings = ChatSettings()
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
