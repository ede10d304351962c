"""Calls between deployments: deadlines, and errors answered from their cause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from grpc import StatusCode
from grpc.aio import AioRpcError
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from smartypants.errors import DeadlineExceeded, Overloaded, SmartyPantsError, Unavailable

T = TypeVar("T")

PATIENCE_S = 15.0
"""What the vector server and a replica need to come back, on a small machine."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0


async def call(
    send: Callable[[], Awaitable[T]],
    *,
    deadline: float | None = None,
    patience_s: float = PATIENCE_S,
) -> T:
    """What another deployment answers to what `send` asks, by the Unix time `deadline`.

    A part that is away (a replica that died, a store that restarts) is asked again for
    `patience_s` seconds: what we ask for can be asked twice. Raises what the other raised, or
    `Overloaded`, `Unavailable`, `DeadlineExceeded`.
    """
    pauses = _pauses(deadline, patience_s)
    while True:
        try:
            async with asyncio.timeout(_left(deadline)):
                return await send()
        except Exception as exc:
            error = _mapped(exc)
            pause = next(pauses, None) if passes(error) else None
            if pause is None:
                raise error from exc
        await asyncio.sleep(pause)


async def stream(
    send: Callable[[], Any],
    item_type: type[T],
    *,
    deadline: float | None = None,
    first_by: float | None = None,
    patience_s: float = PATIENCE_S,
) -> AsyncGenerator[T, None]:
    """The items of another deployment's stream. Like `call`, but asked again only until the
    first item has come, by the Unix time `first_by` where one is given."""
    first_by = _sooner(deadline, first_by)
    pauses = _pauses(first_by, patience_s)
    begun = False
    while True:
        responses = send()
        iterator = aiter(responses)
        try:
            while True:
                async with asyncio.timeout(_left(deadline if begun else first_by)):
                    item = await anext(iterator)
                assert isinstance(item, item_type)
                begun = True
                yield item
        except StopAsyncIteration:
            return
        except Exception as exc:
            error = _mapped(exc)
            pause = next(pauses, None) if passes(error) and not begun else None
            if pause is None:
                raise error from exc
        finally:
            responses.cancel()  # a reader that leaves early frees the other's slot
        await asyncio.sleep(pause)


def passes(error: Exception) -> bool:
    """Whether asking again at once may help: something is away, not just full, and nobody has
    asked it again already."""
    if not isinstance(error, Unavailable) or isinstance(error, Overloaded):
        return False
    return not error.retried


def _pauses(deadline: float | None, patience_s: float) -> Iterator[float]:
    """Longer and longer, until the next would end too late."""
    pause, end = FIRST_PAUSE_S, time.time() + patience_s
    if deadline is not None:
        end = min(end, deadline)
    while time.time() + pause < end:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((time for time in (one, other) if time is not None), default=None)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.time(), 0.0)


def _went_away(cause: BaseException) -> bool:
    """Whether a call broke off: a replica that ends in order cancels what it has at work."""
    return isinstance(cause, AioRpcError) and cause.code() in (
        StatusCode.UNAVAILABLE,
        StatusCode.CANCELLED,
    )


def _mapped(exc: Exception) -> Exception:
    cause = exc.cause if isinstance(exc, RayTaskError) else exc
    if isinstance(cause, SmartyPantsError):
        # A new one: the original drags its whole remote traceback along.
        error = type(cause)(cause.message, cause.hint)
        error.retry_after_s, error.retried = cause.retry_after_s, cause.retried
        return error
    if isinstance(cause, TimeoutError):
        return DeadlineExceeded("The deadline passed.", "Allow more time, or ask for less.")
    if isinstance(cause, BackPressureError):
        return Overloaded("A queue is full.", "Try again after the time in Retry-After.")
    if isinstance(cause, (RayActorError, DeploymentUnavailableError)) or _went_away(cause):
        return Unavailable("A replica went away.", "Try again in a moment.")
    return exc
