"""Rates and quotas in Redis, for all replicas; a Redis that is away leaves each on its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from smartypants import credentials
from smartypants.errors import SetupError
from smartypants.limits.rules import SLACK_S, Charge, Decision, Rate
from smartypants.limits.store import LimitStore, MemoryLimits

if TYPE_CHECKING:
    from redis import Redis

PAUSE_S: Final = 1.0
"""A Redis that failed is not asked again for so long."""
PREFIX: Final = "smartypants:limits:"
MARGIN_MS: Final = 60_000
"""Kept for longer than needed: the clocks of replicas and of Redis differ."""

log = structlog.get_logger(__name__)

# What `rules.decide` does, in one step of the server. ARGV: now, slack, the margin of expiry, and
# five for each key: how, kind, units, and of a rate its interval and tolerance, of a quota its
# limit and end.
_SCRIPT: Final = """
local now, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
local values, after, expires, refused = {}, {}, {}, {}
for i, key in ipairs(KEYS) do
  local at = 4 + (i - 1) * 5
  local how, kind, units = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local first, second = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local value = tonumber(redis.call('GET', key) or '0')
  values[i] = value
  local wait = 0
  if kind == 'rate' then
    after[i] = math.max(value, now) + units * first
    expires[i] = after[i] - now
    wait = after[i] - second - now
    if wait <= slack then wait = 0 end
  else
    after[i] = value + units
    expires[i] = second - now
    if after[i] > first then wait = 1 end
  end
  if how ~= 'debit' and units > 0 and wait > 0 then table.insert(refused, i) end
end
if #refused == 0 then
  for i, key in ipairs(KEYS) do
    local at = 4 + (i - 1) * 5
    if ARGV[at] ~= 'test' and tonumber(ARGV[at + 2]) > 0 then
      values[i] = after[i]
      local ms = math.max(math.ceil(expires[i] * 1000), 0) + tonumber(ARGV[3])
      redis.call('SET', key, string.format('%.17g', after[i]), 'PX', ms)
    end
  end
end
for i, value in ipairs(values) do values[i] = string.format('%.17g', value) end
return {values, refused}
"""


class RedisLimits:
    """At a `redis://`, `rediss://` or `unix://` URL; `password` is a reference.

    While Redis does not answer, `spare` decides. Raises `SetupError` where the client is not
    installed or the secret is not there.
    """

    def __init__(
        self,
        *,
        url: str,
        password: str | None = None,
        timeout_s: float,
        spare: LimitStore | None = None,
    ) -> None:
        try:
            import redis
        except ImportError as exc:
            raise SetupError(
                "Redis's client is not installed.",
                "Install the extra that has it: pip install 'smartypants[redis]'.",
            ) from exc
        secret = None if password is None else credentials.resolve(password)
        self._redis: Redis = redis.Redis.from_url(
            url, password=secret, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )
        self._script: Any = self._redis.register_script(_SCRIPT)
        self._spare = spare or MemoryLimits()
        self._asked_again_at = 0.0

    def apply(self, charges: Sequence[Charge], now: float) -> Decision:
        from redis.exceptions import RedisError

        if time.monotonic() < self._asked_again_at:
            return self._spare.apply(charges, now)
        try:
            return self._ask(charges, now)
        except (RedisError, OSError) as exc:
            self._asked_again_at = time.monotonic() + PAUSE_S
            log.warning("limits_without_redis", error=type(exc).__name__)
            return self._spare.apply(charges, now)

    def close(self) -> None:
        self._redis.close()

    def _ask(self, charges: Sequence[Charge], now: float) -> Decision:
        arguments: list[str | int] = [repr(now), repr(SLACK_S), MARGIN_MS]
        for charge in charges:
            arguments += [charge.how, *_numbers(charge)]
        keys = [charge.rule.key for charge in charges]
        values, refused = self._script([PREFIX + key for key in keys], arguments)
        return Decision(
            dict(zip(keys, map(float, values), strict=True)),
            tuple(charges[number - 1] for number in refused),
        )


def _numbers(charge: Charge) -> tuple[str | int, ...]:
    rule = charge.rule
    if isinstance(rule, Rate):
        return ("rate", charge.units, repr(rule.interval_s), repr(rule.tolerance_s))
    return ("quota", charge.units, rule.limit, repr(rule.ends_at))
