"""The example of docs/chat.md works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from smartypants.api.services import Services
from tests.api.chat.client import Script, whole
from tests.api.chat.conftest import Serve
from tests.auth.conftest import key_of, required

PAGE = Path(__file__).parents[3] / "docs" / "chat.md"


def test_the_example(serve: Serve, services: Services, script: Script) -> None:
    printed: list[str] = []

    def note(*parts: object, end: str = "\n", flush: bool = False) -> None:
        printed.append(" ".join(map(str, parts)) + end)

    url = serve(required(services)).replace("http", "ws")
    [example] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    key = key_of(services.engine, "ann")["Authorization"].removeprefix("Bearer ")
    # Standard output is the logs' too, which come in between.
    exec(example.replace("ws://127.0.0.1:8000", url).replace("sp_…", key), {"print": note})
    assert whole(script) in "".join(printed)
    assert "['Lease']" in "".join(printed)
