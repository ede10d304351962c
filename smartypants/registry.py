"""Finds a plugin by kind and name: a module of ours, or an entry point of another package."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from smartypants.errors import PluginNotFound


def load(kind: str, name: str) -> type[Any]:
    """The plugin class `name` of a kind such as `embedders`.

    A module of ours names its class in `PLUGIN`. An entry point of the group
    `smartypants.<kind>` points at the class itself and wins over ours.

    Raises `PluginNotFound`, whose message lists what there is.
    """
    theirs = _entry_points(f"smartypants.{kind}", tuple(sys.path))
    if name in theirs:
        plugin: type[Any] = theirs[name].load()
        return plugin
    if name not in _own(kind):
        raise PluginNotFound(
            f"There is no plugin {name!r} in {kind}.", f"Choose one of {', '.join(names(kind))}."
        )
    found: type[Any] = importlib.import_module(f"smartypants.{kind}.{name}").PLUGIN
    return found


def names(kind: str) -> list[str]:
    """Every name that `load` accepts for the kind, sorted."""
    theirs = _entry_points(f"smartypants.{kind}", tuple(sys.path))
    return sorted({*theirs, *_own(kind)})


@lru_cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Those of a group by name, the first on the path first: it reads files of every package."""
    return {point.name: point for point in reversed(entry_points(group=group))}


def _own(kind: str) -> list[str]:
    package = importlib.import_module(f"smartypants.{kind}")
    return [
        module.name
        for module in pkgutil.iter_modules(package.__path__)
        if not module.ispkg and not module.name.startswith("_")
    ]
