"""Writes the configuration reference from the settings: `python -m smartypants.configuration`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from smartypants.settings import ENV_PREFIX, Settings

HEAD = f"""# Configuration

Generated from `smartypants/settings.py` by `make docs`; a test keeps it true.

Settings come from a YAML file (`$SMARTYPANTS_CONFIG`, or `smartypants.yaml` in the working
directory) and from the environment, which wins. A key becomes a variable by the prefix
`{ENV_PREFIX}` and two underscores for each dot: `http.port` is `{ENV_PREFIX}HTTP__PORT`. An unknown
key in the file is an error.

| setting | type | default | what it does |
|---|---|---|---|
"""


def reference() -> str:
    """The whole page."""
    return HEAD + "".join(f"{row}\n" for row in _rows(Settings, ""))


def _rows(model: type[BaseModel], prefix: str, values: BaseModel | None = None) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default = getattr(values, name) if values is not None else _default(field)
        if isinstance(default, BaseModel):
            if field.description:
                yield f"| **`{prefix}{name}`** | | | {field.description} |"
            yield from _rows(type(default), f"{prefix}{name}.", default)
            continue
        shown = "" if default in (None, PydanticUndefined) else f"`{_shown(default)}`"
        yield f"| `{prefix}{name}` | {_type(field)} | {shown} | {field.description or ''} |"
        entry = _entry(field)
        if entry is not None:
            yield from _rows(entry, f"{prefix}{name}.NAME.")


def _entry(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a map's entries, if they have one."""
    kinds = get_args(field.annotation)
    if get_origin(field.annotation) is not dict or not isinstance(kinds[1], type):
        return None
    return kinds[1] if issubclass(kinds[1], BaseModel) else None


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True, validated_data={})


def _shown(value: Any) -> str:
    if isinstance(value, Path):
        return str(value).replace(str(Path.home()), "~")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return str(value)


def _type(field: FieldInfo) -> str:
    if get_origin(field.annotation) is dict:
        return "map"
    if get_origin(field.annotation) is tuple:
        return "list"
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    names = [_name(kind) for kind in kinds] or [_name(field.annotation)]
    return " or ".join(dict.fromkeys(names))


def _name(kind: Any) -> str:
    if isinstance(kind, str):
        return f"`{kind}`"
    inner = get_args(kind)
    if get_origin(kind) is frozenset:
        return f"list of {' or '.join(map(_name, get_args(inner[0])))}"
    if inner and not isinstance(kind, type):
        return _name(inner[0])
    return {"dict": "map", "Path": "path", "int": "integer", "float": "number"}.get(
        getattr(kind, "__name__", str(kind)), getattr(kind, "__name__", str(kind))
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference())
