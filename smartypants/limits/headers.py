"""The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from smartypants.limits.limiter import Standing


def fields(standings: Sequence[Standing]) -> dict[str, str]:
    """Structured lists of strings with parameters; nothing where nothing is limited."""
    if not standings:
        return {}
    policies = [_policy(each) for each in standings]
    limits = [
        f'"{each.rule.name}";r={each.remaining};t={math.ceil(each.reset_s)}' for each in standings
    ]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)}


def _policy(standing: Standing) -> str:
    rule = standing.rule
    unit = "" if rule.unit == "requests" else f';qu="{rule.unit}"'
    burst = "" if rule.burst == rule.limit else f";smartypants-burst={rule.burst}"
    return f'"{rule.name}";q={rule.limit};w={rule.window_s}{unit}{burst}'
