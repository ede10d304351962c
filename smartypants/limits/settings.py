"""The settings of rate limits and quotas; `settings.limits`."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from smartypants.options.section import Section


class Rate(Section):
    """So many in each window, and so many at once."""

    limit: PositiveInt = Field(description="Units that come back in a window.")
    per_s: PositiveInt = Field(60, description="The window, in seconds.")
    burst: PositiveInt | None = Field(
        None, description="Units at once, after a rest. Default: `limit`."
    )


class Quota(Section):
    """So many in a calendar day or month (UTC). None: as many as one likes."""

    requests: PositiveInt | None = Field(None, description="Requests.")
    tokens: PositiveInt | None = Field(None, description="Tokens of prompts and completions.")
    documents: PositiveInt | None = Field(None, description="Uploaded documents.")

    @property
    def chosen(self) -> dict[str, int]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


class LimitSet(Section):
    """All limits of one user or key. None: no limit."""

    requests: Rate | None = Field(None, description="Requests.")
    tokens: Rate | None = Field(
        None, description="Tokens of prompts and completions, debited afterwards."
    )
    documents: Rate | None = Field(None, description="Uploaded documents.")
    daily: Quota = Quota()
    monthly: Quota = Quota()

    @property
    def rates(self) -> dict[str, Rate]:
        found = {"requests": self.requests, "tokens": self.tokens, "documents": self.documents}
        return {unit: rate for unit, rate in found.items() if rate is not None}


class LimitSettings(Section):
    user: LimitSet = Field(LimitSet(), description="Of each user, by whatever keys and sessions.")
    key: LimitSet = Field(LimitSet(), description="Of each API key.")
    users: dict[str, LimitSet] = Field(
        default_factory=dict, description="Of single users, by name, instead of `limits.user`."
    )
    keys: dict[str, LimitSet] = Field(
        default_factory=dict, description="Of single API keys, by id, instead of `limits.key`."
    )
    failures: Rate | None = Field(
        None,
        description="Of each address: requests that are answered 401. Whoever has more is refused "
        "for a while, whatever it sends. See `http.trusted_proxies`.",
    )
    timeout_s: PositiveFloat = Field(
        0.25, description="With Redis: a call that takes longer is decided without it."
    )

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        every = (self.user, self.key, *self.users.values(), *self.keys.values())
        return any(each != LimitSet() for each in every)
