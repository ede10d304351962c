"""Plugins of ours and of others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartypants import registry
from smartypants.errors import PluginNotFound
from smartypants.parsers.text import TextParser
from tests.plugins import install

KINDS = (
    "blobstores",
    "chunkers",
    "connectors",
    "embedders",
    "llms",
    "parsers",
    "rerankers",
    "storages",
    "vectorstores",
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_of_ours_loads(kind: str) -> None:
    assert registry.names(kind)
    for name in registry.names(kind):
        plugin = registry.load(kind, name)
        assert plugin.__module__ == f"smartypants.{kind}.{name}"


@pytest.mark.parametrize("name", ["nothing", "", "_markdown", "text.TextParser", "../text"])
def test_unknown_plugin_names_those_there_are(name: str) -> None:
    with pytest.raises(PluginNotFound, match="pptx, text, xlsx"):
        registry.load("parsers", name)


@pytest.fixture
def _acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    source = "class Scroll: pass\nclass Text: pass\n"
    points = "[smartypants.parsers]\nscroll = acme_plugins:Scroll\ntext = acme_plugins:Text\n"
    install(tmp_path, source, points)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_plugins", None)


@pytest.mark.usefixtures("_acme")
def test_plugin_of_another_package() -> None:
    assert registry.load("parsers", "scroll").__name__ == "Scroll"
    assert "scroll" in registry.names("parsers")
    assert "scroll" not in registry.names("chunkers")


@pytest.mark.usefixtures("_acme")
def test_plugin_of_another_package_wins() -> None:
    assert registry.load("parsers", "text").__name__ == "Text"
    assert registry.names("parsers").count("text") == 1


def test_without_other_packages_ours_is_taken() -> None:
    assert registry.load("parsers", "text") is TextParser
