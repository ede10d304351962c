"""The templates that come with the package: `templates/NAME.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from smartypants.prompts.kinds import Kind
from smartypants.prompts.template import Prompt, readable

DEFAULT = "default"
"""Stands for the packaged template, whichever that is in the release that runs."""


@cache
def default_prompt(kind: Kind) -> Prompt:
    """The packaged prompt; its version tells apart what releases package."""
    text = (files("smartypants.prompts") / "templates" / f"{kind}.yaml").read_text("utf-8")
    template = readable(yaml.safe_load(text))
    return Prompt(kind, f"{DEFAULT}-{template.version(kind)[:8]}", template, default=True)
