"""Embedded parts stay on the machine that the settings were loaded on."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smartypants import machine, wiring
from smartypants.errors import SetupError
from smartypants.settings import Settings

ELSEWHERE = """
import pickle, socket, sys
from smartypants import wiring
from smartypants.errors import SetupError
socket.gethostname = lambda: "elsewhere"
settings = pickle.load(open(sys.argv[1], "rb"))
for name in ("open_ledger", "open_vectors", "open_blobs"):
    try:
        getattr(wiring, name)(settings)
        print(name, "opened")
    except SetupError as exc:
        print(name, exc.message)
"""


def elsewhere(settings: Settings, folder: Path) -> dict[str, str]:
    """What each part answers when a process of another host name opens it."""
    (folder / "settings").write_bytes(pickle.dumps(settings))
    command = [sys.executable, "-c", ELSEWHERE, str(folder / "settings")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return dict(line.split(" ", 1) for line in ended.stdout.splitlines())


def test_embedded_parts_are_refused_elsewhere(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    here = machine.name_of(settings.machine)
    for opened in (wiring.open_ledger, wiring.open_vectors, wiring.open_blobs):
        opened(pickle.loads(pickle.dumps(settings)))
    said = elsewhere(settings, tmp_path)
    assert list(said) == ["open_ledger", "open_vectors", "open_blobs"]
    for answer in said.values():
        assert answer.endswith(f"is on {here} alone, and this runs on elsewhere.")


def test_sqlite_is_refused_elsewhere_by_url_too(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, ledger={"url": f"SQLite+pysqlite:///{tmp_path}/x.db"})
    assert "alone" in elsewhere(settings, tmp_path)["open_ledger"]


def test_servers_are_opened_anywhere(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        ledger={"url": "postgresql://role@ledger/db"},
        vectors={"uri": "http://milvus:19530"},
        blobs={"uri": "s3://bucket"},
    )
    assert set(elsewhere(settings, tmp_path).values()) == {"opened"}


def test_shared_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    settings = Settings(data_dir=tmp_path, blobs={"uri": folder.as_uri()})
    wiring.open_blobs(settings)
    assert "is not the folder of that path" in elsewhere(settings, tmp_path)["open_blobs"]
    machine.mark_shared(machine.folder_of(settings.blob_uri), settings.machine)
    assert elsewhere(settings, tmp_path)["open_blobs"] == "opened"
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(SetupError, match="Mount one shared folder"):
        machine.check_shared(folder, settings.machine)


def test_machine_survives_copies() -> None:
    settings = Settings()
    assert settings.machine == machine.identity()
    assert settings.model_copy(update={"default_collection": "x"}).machine == settings.machine
