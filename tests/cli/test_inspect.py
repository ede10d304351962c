"""`smartypants status` at a real server."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from smartypants.api.services import Services
from smartypants.ledger import collections
from tests.api.conftest import backend, ledger_url, model_folder, services  # noqa: F401
from tests.auth.conftest import served
from tests.ports import free_port


def test_status_has_every_collection(
    services: Services,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {f"c{number}" for number in range(60)}  # more than a page
    for name in names:
        collections.ensure(services.engine, name, embedding_model="m", dimension=4)
    with served(services, free_port()) as url:
        monkeypatch.setenv("SMARTYPANTS_URL", url)
        result = CliRunner().invoke(app, ["status"])
    shown = re.findall(r"^  collection (\w+):", result.stdout, re.MULTILINE)
    assert names <= set(shown)
