"""Replicas of the app whose chats are quick to give up, over one ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from smartypants.api.services import Services
from smartypants.chatting.settings import ChatSettings
from tests.api.chat.client import Script
from tests.auth.conftest import served
from tests.ledger.conftest import Source
from tests.ports import free_port

QUICK = ChatSettings(grace_s=0.5, ping_s=0.2, timeout_s=30.0, lease_s=2.0)
Serve = Callable[..., str]


@pytest.fixture
def source(services: Services) -> Source:
    """A document that anybody may read."""
    source = Source(services.engine, "default")
    source.list("lease.md")
    source.index("lease.md")
    return source


@pytest.fixture
def script(source: Source) -> Script:
    return Script(source.id_of("lease.md"))


@pytest.fixture
def serve(services: Services, script: Script) -> Iterator[Serve]:
    """Starts a replica with these settings of chats; its URL."""
    with ExitStack() as stack:

        def start(base: Services = services, **chosen: Any) -> str:
            settings = base.settings.model_copy(update={"chat": QUICK.model_copy(update=chosen)})
            made = replace(base, settings=settings, answer=script.answer)
            return stack.enter_context(served(made, free_port()))

        yield start


@pytest.fixture
def replicas(serve: Serve) -> tuple[str, str]:
    return serve(grace_s=20.0), serve(grace_s=20.0)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
