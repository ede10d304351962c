from __future__ import annotations

import asyncio
import time

import pytest
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError

from deployments.calls import call
from smartypants.errors import (
    CollectionNotFound,
    DeadlineExceeded,
    Overloaded,
    SmartyPantsError,
    Unavailable,
)


async def failing(exc: BaseException) -> None:
    raise exc


def remote(cause: Exception) -> RayTaskError:
    return RayTaskError("f", "a remote traceback with secrets", cause)


@pytest.mark.parametrize(
    ("raised", "answered"),
    [
        (remote(CollectionNotFound("no x", "make it")), CollectionNotFound),
        (CollectionNotFound("no x", "make it"), CollectionNotFound),
        (BackPressureError(10, 10), Overloaded),
        (RayActorError(), Unavailable),
        (TimeoutError(), DeadlineExceeded),
    ],
)
def test_answers_from_the_cause(raised: Exception, answered: type[SmartyPantsError]) -> None:
    with pytest.raises(answered) as caught:
        asyncio.run(call(failing(raised)))
    assert "traceback" not in str(caught.value)
    if answered is CollectionNotFound:
        assert (caught.value.message, caught.value.hint) == ("no x", "make it")


def test_deadline() -> None:
    async def never() -> None:
        await asyncio.sleep(60)

    with pytest.raises(DeadlineExceeded):
        asyncio.run(call(never(), deadline=time.time() + 0.05))


def test_what_is_no_error_of_ours_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call(failing(ZeroDivisionError())))
