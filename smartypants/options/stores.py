"""Where things are kept: ledger, blobs, vectors, caches."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from smartypants.addresses import parse
from smartypants.credentials import Reference
from smartypants.errors import InvalidRequest
from smartypants.options.section import Port, Section, Share, has_password


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
        if url is not None and has_password(url):
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
    token: Reference | None = Field(
        None,
        description="Where Milvus' token is (`USER:PASSWORD` or a key): `env:NAME` or `file:PATH`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _refers_to_the_token(cls, values: Any) -> Any:
        if isinstance(values, dict) and "token_env" in values:
            raise ValueError("token_env is no longer known: write token: env:NAME instead")
        return values

    @field_validator("uri")
    @classmethod
    def _without_password(cls, uri: str | None) -> str | None:
        if uri is not None and has_password(uri):
            raise ValueError("must not hold a password: refer to it in vectors.token")
        return uri


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
        if has_password(url):
            raise ValueError("must not hold a password: refer to it in cache.password")
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @model_validator(mode="after")
    def _redis_has_url(self) -> Self:
        if self.kind == "redis" and self.url is None:
            raise ValueError("cache.kind is redis, so cache.url must be set")
        return self
