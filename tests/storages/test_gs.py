"""Google Cloud Storage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smartypants.errors import SetupError
from smartypants.storages.gs import VARIABLE, GcsStorage


def test_key_file_that_is_not_there(tmp_path: Path) -> None:
    storage = GcsStorage(credentials_file=str(tmp_path / "key.json"))
    with pytest.raises(SetupError, match=r"key\.json can't be read"):
        storage.open("bucket", "x")


@pytest.mark.parametrize("before", ["/elsewhere.json", None])
def test_key_file_leaves_the_environment_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, before)
    (tmp_path / "key.json").write_text("{}")
    storage = GcsStorage(endpoint="http://127.0.0.1:1", credentials_file=str(tmp_path / "key.json"))
    assert storage.open("bucket", "x")[1] == "bucket/x"
    assert os.environ.get(VARIABLE) == before
