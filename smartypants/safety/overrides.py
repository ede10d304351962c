"""What a collection asks of answers beyond the settings: an override makes them stricter, never
looser, so whoever may edit a collection can't undo what the operator chose for all."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, ValidationError

from smartypants.errors import SetupError
from smartypants.options.section import Section
from smartypants.safety.options import (
    BlockedOptions,
    InjectionPolicy,
    SafetySettings,
    Treatment,
)

T = TypeVar("T")

_POLICIES: Final[tuple[InjectionPolicy, ...]] = ("flag", "quote", "drop")
_TREATMENTS: Final[tuple[Treatment, ...]] = ("allow", "mask", "remove")
_ACTIONS: Final[tuple[Literal["replace", "refuse"], ...]] = ("replace", "refuse")


class InjectionOverrides(Section):
    policy: Literal["quote", "drop"] | None = Field(
        None, description="What becomes of a passage that the settings' detector suspects."
    )


class PersonalDataOverrides(Section):
    enabled: Literal[True] | None = Field(None, description="Look for it (extra `safety`).")
    entities: dict[str, Literal["mask", "remove"]] = Field(
        default_factory=dict, description="By entity, where the settings allow more."
    )


class SafetyOverrides(Section):
    """The sections of `safety`, as far as a collection may be stricter."""

    secrets: Literal["remove"] | None = None
    max_repeats: Annotated[int, Field(ge=1)] | None = Field(
        None, description="An answer is cut once it repeats itself so often in a row."
    )
    injection: InjectionOverrides = InjectionOverrides()
    personal_data: PersonalDataOverrides = PersonalDataOverrides()
    blocked: BlockedOptions = Field(BlockedOptions(), description="Beside the settings' own.")

    def applied(self, settings: SafetySettings) -> SafetySettings:
        """Of each the stricter.

        >>> SafetyOverrides(injection={"policy": "drop"}).applied(SafetySettings())
        """
        repeats = [count for count in (self.max_repeats, settings.max_repeats) if count]
        injection, personal = settings.injection, settings.personal_data
        policy = _stricter(_POLICIES, self.injection.policy or "flag", injection.policy)
        entities = dict(personal.entities)
        for name, wanted in self.personal_data.entities.items():
            entities[name] = _stricter(_TREATMENTS, wanted, entities.get(name, "allow"))
        looked_for = bool(self.personal_data.enabled or self.personal_data.entities)
        own, theirs = self.blocked, settings.blocked
        return SafetySettings(
            secrets=self.secrets or settings.secrets,
            max_repeats=min(repeats, default=0),
            injection=injection.model_copy(update={"policy": policy}),
            personal_data=personal.model_copy(
                update={"enabled": personal.enabled or looked_for, "entities": entities}
            ),
            blocked=BlockedOptions(
                terms=(*theirs.terms, *own.terms),
                patterns=(*theirs.patterns, *own.patterns),
                action=_stricter(_ACTIONS, own.action, theirs.action),
            ),
        )


def readable(collection: str, kept: object) -> SafetyOverrides:
    """Overrides that were kept as JSON. Raises `SetupError` for those of another release: to do
    without them would be looser than what was asked for."""
    try:
        return SafetyOverrides.model_validate(kept)
    except ValidationError as exc:
        raise SetupError(
            f"The safety overrides of {collection!r} can't be read by this release.",
            f"Set them anew: `smartypants safety set {collection} …`.",
        ) from exc


def _stricter(order: tuple[T, ...], first: T, second: T) -> T:
    return max(first, second, key=order.index)
