"""What the steps of a search did and cost, and which were left out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from smartypants.querying.asking import StepSkipped
from smartypants.types import Step


@dataclass(slots=True)
class Note:
    """What a step has to say about itself."""

    detail: str = ""


@dataclass(slots=True)
class Recorder:
    """
    >>> with recorder.step("language") as note:
    ...     note.detail = "en"
    """

    steps: list[Step] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """A step that raises `StepSkipped` is left out, for the reason that it gives; what it
        took until then is in the trace."""
        note, started = Note(), time.perf_counter()
        try:
            yield note
        except StepSkipped as exc:
            note.detail = f"left out: {exc}"
            self.skipped[name] = str(exc)
        self.steps.append(Step(name, since(started), note.detail))

    def skip(self, name: str, reason: str) -> None:
        self.skipped[name] = reason


def since(started: float) -> float:
    """Milliseconds since a `time.perf_counter`."""
    return round(1000 * (time.perf_counter() - started), 2)
