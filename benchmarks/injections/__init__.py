"""Passages that try to instruct a language model, and harmless ones that look like them.

Each line has a style, a language and a text. Written for this project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def lines(name: Literal["attacks", "benign"]) -> list[str]:
    """The texts."""
    text = Path(__file__).with_name(f"{name}.tsv").read_text(encoding="utf-8")
    return [line.split("\t")[2] for line in text.splitlines()]
