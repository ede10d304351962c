"""The settings of stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from smartypants.addresses import parse
from smartypants.options.storage import StorageSettings
from smartypants.settings import Settings


def test_longest_prefix_wins() -> None:
    settings = StorageSettings.model_validate(
        {
            "s3": {"region": "eu-west-1", "attempts": 7},
            "prefixes": {
                "s3://a": {"region": "one"},
                "s3://a/b/": {"region": "two", "access_key": "env:A", "secret_key": "env:B"},
            },
        }
    )

    def region(uri: str) -> Any:
        options = settings.options_for(parse(uri))
        assert options["attempts"] == 7
        return options["region"]

    uris = ("s3://z/b", "s3://a", "s3://a/bc", "s3://a/b", "s3://a/b/c")
    assert [region(uri) for uri in uris] == ["eu-west-1", "one", "one", "two", "two"]
    assert settings.options_for(parse("s3://a/b"))["access_key"] == "env:A"
    assert settings.options_for(parse("s3://a/bc"))["access_key"] is None


def test_other_names_of_a_scheme_share_its_options() -> None:
    settings = StorageSettings.model_validate({"abfs": {"account": "acme"}})
    for scheme in ("abfs", "abfss", "az"):
        assert settings.options_for(parse(f"{scheme}://c/x"))["account"] == "acme"


def test_options_of_a_plugin_pass_as_they_are() -> None:
    settings = StorageSettings.model_validate(
        {"plugins": {"acme": {"token": "env:T"}}, "prefixes": {"acme://h/x": {"deep": True}}}
    )
    assert settings.options_for(parse("acme://h/x/y")) == {"token": "env:T", "deep": True}
    assert settings.options_for(parse("file:///x")) == {}


MISTAKES: list[dict[str, Any]] = [
    {"s3": {"access_key": "TOPSECRET", "secret_key": "TOPSECRET"}},
    {"s3": {"access_key": "env:A"}},
    {"s3": {"anonymous": True, "access_key": "env:A", "secret_key": "env:B"}},
    {"s3": {"password": "TOPSECRET"}},
    {"s3": {"endpoint": "localhost:9000"}},
    {"s3": {"endpoint": "http://key:TOPSECRET@localhost:9000"}},
    {"s3": {"timeout_s": 0}},
    {"gs": {"anonymous": True, "access_token": "env:A"}},
    {"abfs": {"account": "a", "account_key": "env:A", "sas_token": "env:B"}},
    {"abfs": {"account_key": "env:A"}},
    {"abfs": {"client_secret": "env:A"}},
    {"prefixes": {"s3://k:TOPSECRET@b": {}}},
    {"prefixes": {"s3://b": {"secret_key": "TOPSECRET"}}},
    {"prefixes": {"bucket": {}}},
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_mistakes(mistake: dict[str, Any]) -> None:
    for make in (StorageSettings.model_validate, lambda value: Settings(storage=value)):
        with pytest.raises(ValidationError) as caught:
            make(mistake)
        assert "TOPSECRET" not in str(caught.value)
        assert "TOPSECRET" not in "".join(error["msg"] for error in caught.value.errors())


@pytest.mark.parametrize("uri", ["s3://k:TOPSECRET@b", "s3://b?secret_key=TOPSECRET", "nothing"])
def test_blob_uri_that_is_wrong(uri: str) -> None:
    with pytest.raises(ValidationError, match=r"blobs\.uri") as caught:
        Settings(blobs={"uri": uri})
    assert "TOPSECRET" not in str(caught.value)


def test_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sp.yaml").write_text(
        "storage:\n  s3: {region: eu-west-1}\n  prefixes:\n    s3://other: {anonymous: true}\n"
    )
    monkeypatch.setenv("SMARTYPANTS_CONFIG", str(tmp_path / "sp.yaml"))
    monkeypatch.setenv("SMARTYPANTS_STORAGE__S3__ENDPOINT", "http://127.0.0.1:9000")
    options = Settings().storage.options_for(parse("s3://other/x"))
    assert (options["region"], options["anonymous"]) == ("eu-west-1", True)
    assert options["endpoint"] == "http://127.0.0.1:9000"
