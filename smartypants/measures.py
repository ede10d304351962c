"""What Prometheus may know about answers."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter
from prometheus_client.registry import Collector

from smartypants.types import Answer

MAX_PROMPT_VERSIONS = 20
"""Versions of prompts with a label of their own in one process; later ones are `other`."""


class AnswerMeasures:
    """Counters that belong to no registry yet; whoever serves metrics registers them.

    The share of supported sentences is `sentences{supported="yes"}` over both.
    """

    def __init__(self) -> None:
        self.answers = Counter(
            "smartypants_answers",
            "Answers: how they were made, whether the documents had one, and how they ended.",
            ("mode", "found", "finish_reason", "cached"),
            registry=None,
        )
        self.sentences = Counter(
            "smartypants_answer_sentences",
            "Sentences of answers, by whether a passage supports them. Cached answers count once.",
            ("mode", "supported"),
            registry=None,
        )

        self.prompts = Counter(
            "smartypants_answer_prompts",
            "Answers by the version of the prompt that the language model was told.",
            ("name", "version", "cached"),
            registry=None,
        )
        self._versions: set[str] = set()

    @property
    def collectors(self) -> Sequence[Collector]:
        return (self.answers, self.sentences, self.prompts)

    def note(self, answer: Answer) -> None:
        labels = (answer.mode, _said(answer.found), answer.finish_reason, _said(answer.cached))
        self.answers.labels(*labels).inc()
        if answer.prompt is not None:
            version = self._label(answer.prompt.version)
            self.prompts.labels(answer.prompt.name, version, _said(answer.cached)).inc()
        if answer.cached:
            return
        unsupported = answer.sentences - answer.supported_sentences
        self.sentences.labels(answer.mode, "yes").inc(answer.supported_sentences)
        self.sentences.labels(answer.mode, "no").inc(unsupported)

    def _label(self, version: str) -> str:
        if len(self._versions) < MAX_PROMPT_VERSIONS:
            self._versions.add(version)
        return version if version in self._versions else "other"


def _said(value: bool) -> str:
    return "yes" if value else "no"
