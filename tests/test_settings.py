"""One frozen tree, from a file and the environment."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from smartypants.settings import Settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMARTYPANTS_CONFIG", raising=False)


def test_defaults_need_nothing() -> None:
    settings = Settings()
    assert settings.http.port == 8000
    assert settings.embedded_vectors
    assert settings.ledger_url.startswith("sqlite:///")
    assert settings.blob_uri.startswith("file:///")
    assert settings.vector_uri == "http://127.0.0.1:19530"
    assert settings.model_cache == settings.data_dir / "models"


def test_file_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "smartypants.yaml").write_text("http: {port: 9001}\ndata_dir: /srv/data\n")
    settings = Settings()
    assert (settings.http.port, settings.http.host) == (9001, "127.0.0.1")
    assert settings.blob_uri == "file:///srv/data/blobs"


def test_file_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.yaml").write_text("retrieval: {rrf_k: 7}")
    monkeypatch.setenv("SMARTYPANTS_CONFIG", str(tmp_path / "other.yaml"))
    assert Settings().retrieval.rrf_k == 7


def test_environment_beats_the_file_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smartypants.yaml").write_text("http: {port: 9001, host: 0.0.0.0}")
    monkeypatch.setenv("SMARTYPANTS_HTTP__PORT", "9002")
    settings = Settings()
    assert (settings.http.port, settings.http.host) == (9002, "0.0.0.0")


def test_partial_override_keeps_a_deployments_other_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMARTYPANTS_SERVE__INGRESS__MAX_REPLICAS", "9")
    changed, default = Settings().serve.ingress, Settings(serve={}).serve.ingress
    assert changed.max_replicas == 9
    assert changed.max_queued_requests == default.max_queued_requests == 1024


@pytest.mark.parametrize(
    "text",
    [
        "htttp: {port: 1}",
        "http: {prot: 1}",
        "http: {port: 0}",
        "http: {port: 65536}",
        "ingest: {prune_max_share: 1.5}",
        "ingest: {read_batch: 0}",
        "log: {level: loud}",
        "serve: {ingress: {replicas: 2}}",
        "ledger: {password: hunter2}",
        "ledger: {password: 'env:'}",
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "smartypants.yaml").write_text(text)
    with pytest.raises(ValidationError):
        Settings()


def test_mistake_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTYPANTS_HTTP__PROT", "1")
    with pytest.raises(ValidationError, match="prot"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "postgresql://role:hunter2@host/db"),
        ("URL", "postgresql+psycopg://role:hunter2/x@host/db"),
        ("URL", "postgresql://:hunter2@host/db"),
        ("URL", "postgresql://role@host/db?sslmode=require&password=hunter2"),
        ("PASSWORD", "hunter2"),
    ],
)
def test_passwords_are_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SMARTYPANTS_LEDGER__{name}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://role@host:5432/db",
        "postgresql://host/db?sslmode=require",
        "postgresql://role@[::1]:5432/db",
        "sqlite:////srv/a:b@c/ledger.db",
    ],
)
def test_ledgers_without_a_password(url: str) -> None:
    assert Settings(ledger={"url": url, "password": "env:NAME"}).ledger_url == url


def test_token_of_the_vector_store_is_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(vectors={"token": "env:MILVUS_TOKEN"}).vectors.token == "env:MILVUS_TOKEN"
    for wrong, said in (
        ({"token": "TOPSECRET"}, "give a reference"),
        ({"token_env": "MILVUS_TOKEN"}, "write token: env:NAME instead"),
        ({"uri": "https://root:TOPSECRET@milvus:19530"}, "refer to it in vectors.token"),
    ):
        with pytest.raises(ValidationError, match=said) as caught:
            Settings(vectors=wrong)
        assert "TOPSECRET" not in str(caught.value)
    monkeypatch.setenv("SMARTYPANTS_VECTORS__TOKEN_ENV", "MILVUS_TOKEN")
    with pytest.raises(ValidationError, match="write token: env:NAME instead"):
        Settings()


def test_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.default_collection = "x"
    with pytest.raises(ValidationError, match="frozen"):
        settings.http.port = 1


def test_travels_to_workers(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, vectors={"uri": "http://milvus:19530"})
    copy = pickle.loads(pickle.dumps(settings))
    assert copy == settings
    assert not copy.embedded_vectors
    assert copy.vector_uri == "http://milvus:19530"


def test_every_setting_is_described() -> None:
    missing = [
        f"{name}.{key}"
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields")
        for key, inner in field.annotation.model_fields.items()
        if not inner.description
    ]
    assert missing == []
