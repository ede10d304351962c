"""What the settings' section `safety` asks for, before the language model and after it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from smartypants import registry
from smartypants.protocols import InjectionDetector
from smartypants.safety import blocking, containment
from smartypants.safety.containment import SUSPECTED
from smartypants.safety.options import SafetySettings
from smartypants.safety.personal_data import PersonalData
from smartypants.safety.repetition import RepetitionStream
from smartypants.safety.responding import ResponseProcessor
from smartypants.safety.rules import RuleStream
from smartypants.safety.secrets import CONTROL_TOKENS, INVISIBLE, SECRETS
from smartypants.safety.streams import Chain, Findings, SentenceStream, TextStream
from smartypants.types import SearchHit


class Safety:
    """Screens passages and processes responses; shared by all requests.

    >>> safety = Safety(SafetySettings())
    >>> hits = await safety.screened(result.hits)
    >>> prompt = safety.contained(safety.usable(hits))
    >>> async for delta in safety.response().process(deltas): ...
    """

    def __init__(self, settings: SafetySettings) -> None:
        """Raises `PluginNotFound` for an unknown detector."""
        self.settings = settings
        chosen = settings.injection
        detector: InjectionDetector = registry.load("safety.injection", chosen.detector)()
        self._detector = detector
        self._threshold = detector.threshold if chosen.threshold is None else chosen.threshold
        self._blocked = blocking.rules(settings.blocked.terms, settings.blocked.patterns)
        chosen_data = settings.personal_data
        self._personal = PersonalData(chosen_data) if chosen_data.enabled else None

    async def screened(self, hits: Sequence[SearchHit]) -> list[SearchHit]:
        """The hits, with a flag on those that seem to instruct a language model."""
        if self.settings.injection.detector == "none":
            return list(hits)
        return await asyncio.to_thread(lambda: [self._screened(hit) for hit in hits])

    def _screened(self, hit: SearchHit) -> SearchHit:
        suspected = self._detector.score(hit.chunk.searched_text) >= self._threshold
        return replace(hit, flags=(*hit.flags, SUSPECTED)) if suspected else hit

    def usable(self, hits: Sequence[SearchHit]) -> list[SearchHit]:
        """Those that an answer may be made of."""
        if self.settings.injection.policy != "drop":
            return list(hits)
        return [hit for hit in hits if SUSPECTED not in hit.flags]

    def contained(self, hits: Sequence[SearchHit]) -> list[SearchHit]:
        """The hits as the prompt is to show them."""
        return containment.contained(hits, quote=self.settings.injection.policy == "quote")

    def response(self) -> ResponseProcessor:
        """For one text."""
        findings = Findings()
        chosen = self.settings
        repetition = RepetitionStream(chosen.max_repeats) if chosen.max_repeats else None
        streams: list[TextStream] = [
            RuleStream(INVISIBLE, findings),
            RuleStream(CONTROL_TOKENS, findings),
        ]
        if repetition is not None:
            streams.append(repetition)
        if chosen.secrets == "remove":
            streams.append(RuleStream(SECRETS, findings))
        personal = self._personal
        if personal is not None:
            streams.append(SentenceStream(lambda sentence: personal.redact(sentence, findings)))
        if self._blocked.rules:
            streams.append(RuleStream(self._blocked, findings))
        return ResponseProcessor(
            Chain(streams),
            findings,
            repetition,
            withhold=bool(self._blocked.rules) and chosen.blocked.action == "refuse",
            threaded=personal is not None,
        )
