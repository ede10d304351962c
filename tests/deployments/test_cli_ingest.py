"""What `smartypants ingest` takes for a source."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from deployments.cli_ingest import _source
from smartypants.errors import InvalidRequest


def test_paths_and_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path)
    whole = str(tmp_path / "a b")
    for text in ("a b", whole, (tmp_path / "a b").as_uri()):
        assert _source(text) == ("filesystem", whole)
    assert _source("s3://bucket/docs/") == ("objects", "s3://bucket/docs")
    with pytest.raises(InvalidRequest, match="does not exist"):
        _source((tmp_path / "none").as_uri())


def test_credentials_in_a_uri_are_refused(tmp_path: Path) -> None:
    environment = {"SMARTYPANTS_DATA_DIR": str(tmp_path / "data"), "SMARTYPANTS_CONFIG": "none"}
    result = CliRunner().invoke(app, ["ingest", "s3://KEY:TOPSECRET@bucket"], env=environment)
    assert result.exit_code == 1
    assert "carries credentials" in result.output
    assert "storage.s3" in result.output
    assert "TOPSECRET" not in result.output
    assert not (tmp_path / "data").exists()
