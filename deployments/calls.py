"""Calls between deployments: deadlines, and errors answered from their cause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from smartypants.errors import DeadlineExceeded, Overloaded, SmartyPantsError, Unavailable

T = TypeVar("T")


async def call(response: Awaitable[T], *, deadline: float | None = None) -> T:
    """Await another deployment's answer, until the Unix time `deadline` at most.

    Raises what the other raised, or `Overloaded`, `Unavailable`, `DeadlineExceeded`.
    """
    try:
        async with asyncio.timeout(_left(deadline)):
            return await response
    except Exception as exc:
        raise _mapped(exc) from exc


async def stream(
    responses: Any, item_type: type[T], *, deadline: float | None = None
) -> AsyncGenerator[T, None]:
    """The items of another deployment's stream, as `call` awaits each."""
    iterator = aiter(responses)
    try:
        while True:
            try:
                async with asyncio.timeout(_left(deadline)):
                    item = await anext(iterator)
            except StopAsyncIteration:
                return
            except Exception as exc:
                raise _mapped(exc) from exc
            assert isinstance(item, item_type)
            yield item
    finally:
        responses.cancel()  # a reader that leaves early frees the other's slot


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.time(), 0.0)


def _mapped(exc: Exception) -> Exception:
    cause = exc.cause if isinstance(exc, RayTaskError) else exc
    if isinstance(cause, SmartyPantsError):
        # A new one: the original drags its whole remote traceback along.
        return type(cause)(cause.message, cause.hint)
    if isinstance(cause, TimeoutError):
        return DeadlineExceeded("The deadline passed.", "Allow more time, or ask for less.")
    if isinstance(cause, BackPressureError):
        return Overloaded("A queue is full.", "Try again after the time in Retry-After.")
    if isinstance(cause, (RayActorError, DeploymentUnavailableError)):
        return Unavailable("A replica went away.", "Try again in a moment.")
    return exc
