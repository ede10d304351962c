"""Personal data in sentences, found by Presidio with a packaged spaCy model."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from smartypants.errors import SetupError
from smartypants.safety.options import PersonalDataOptions
from smartypants.safety.streams import Findings

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

_EMAIL = r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"


class PersonalData:
    """Masks or removes entities by a policy; the model is loaded with the first sentence.

    Raises `SetupError` where the library or the model is not installed.
    """

    def __init__(self, options: PersonalDataOptions) -> None:
        self._options = options
        self._treated = {k: how for k, how in options.entities.items() if how != "allow"}

    def redact(self, sentence: str, findings: Findings) -> str:
        """The sentence by the policy, with what was found counted."""
        place, given = 0, []
        for start, end, kind in self.find(sentence):
            if start < place:  # part of one that was treated
                place = max(place, end)
                continue
            findings["personal_data"] += 1
            masked = f"[{kind.lower().replace('_', ' ')}]"
            given += [sentence[place:start], masked if self._treated[kind] == "mask" else ""]
            place = end
        return "".join((*given, sentence[place:]))

    def find(self, sentence: str) -> list[tuple[int, int, str]]:
        """Start, end and kind of what the policy does not allow, in the sentence's order."""
        if not self._treated or not sentence.strip():
            return []
        engine = _engine(self._options.model, self._options.language)
        found = engine.analyze(
            sentence,
            language=self._options.language,
            entities=list(self._treated),
            score_threshold=self._options.min_score,
        )
        longest_first = sorted(found, key=lambda item: (item.start, -item.end, -item.score))
        return [(item.start, item.end, item.entity_type) for item in longest_first]


@cache
def _engine(model: str, language: str) -> AnalyzerEngine:
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer
        from presidio_analyzer import RecognizerRegistry as Registry
        from presidio_analyzer.nlp_engine import NlpEngineProvider
        from presidio_analyzer.predefined_recognizers import (
            CreditCardRecognizer,
            IbanRecognizer,
            IpRecognizer,
            PhoneRecognizer,
            SpacyRecognizer,
            UsSsnRecognizer,
        )
    except ImportError as exc:
        raise SetupError(
            "Presidio or spaCy is not installed.", "Install it: pip install 'smartypants[safety]'."
        ) from exc
    if not spacy.util.is_package(model):
        # Presidio would fetch it from the internet.
        raise SetupError(
            f"The spaCy model {model} is not installed.", "Install it, or set another one."
        )
    nlp = NlpEngineProvider(
        nlp_configuration={
            "nlp_engine_name": "spacy",
            "models": [{"lang_code": language, "model_name": model}],
        }
    ).create_engine()
    # Presidio's own looks the domain up in a list that it fetches from the internet.
    email = PatternRecognizer(
        "EMAIL_ADDRESS", patterns=[Pattern("email", _EMAIL, 0.9)], supported_language=language
    )
    kinds: tuple[Any, ...] = (
        CreditCardRecognizer, IbanRecognizer, IpRecognizer, PhoneRecognizer, SpacyRecognizer,
        UsSsnRecognizer,
    )  # fmt: skip
    recognizers = [email, *(kind(supported_language=language) for kind in kinds)]
    return AnalyzerEngine(
        registry=Registry(recognizers=recognizers, supported_languages=[language]),
        nlp_engine=nlp,
        supported_languages=[language],
    )
