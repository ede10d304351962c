"""What `Retry-After` may hold."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from smartypants.providers.retry_after import LONGEST_S, retry_after_s


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "9999999"}, LONGEST_S),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "\x00"}, None),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_date() -> None:
    found = retry_after_s({"retry-after": formatdate(time.time() + 600, usegmt=True)})
    assert found == pytest.approx(600, abs=30)
