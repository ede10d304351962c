"""The settings of metering; `settings.metering`."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat

from smartypants.options.section import Section
from smartypants.types import Usage


class Price(Section):
    """Per million tokens. None: not known."""

    prompt: NonNegativeFloat | None = Field(None, description="Of tokens in, per million.")
    completion: NonNegativeFloat | None = Field(None, description="Of tokens out, per million.")

    def cost(self, usage: Usage) -> float | None:
        """None where a price that it takes is not known."""
        total = 0.0
        for tokens, price in (
            (usage.prompt_tokens, self.prompt),
            (usage.completion_tokens, self.completion),
        ):
            if tokens and price is None:
                return None
            total += tokens * (price or 0.0)
        return total / 1e6


class MeteringSettings(Section):
    on: bool = Field(True, description="Count requests, tokens, embeddings and documents.")
    prices: dict[str, Price] = Field(
        default_factory=dict,
        description="Of models by name, of language models and embedders alike; they beat the "
        "prices of `llm.providers` and `embedder.providers`. Without any price a cost is null.",
    )
