"""The examples of docs/providers.md, against a provider of ours."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from smartypants import wiring
from smartypants.settings import Settings
from smartypants.testing import QUESTION, ProviderServer
from smartypants.testing.providers import DIMENSION
from smartypants.types import SamplingParams
from tests.canaries import canary

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def local(node: Any, server: ProviderServer) -> Any:
    """The example with our server's address and dimension."""
    if isinstance(node, dict):
        ours = {"api_base": server.url, "dimension": DIMENSION}
        return {key: ours.get(key) or local(value, server) for key, value in node.items()}
    return node


SECRET = canary("of-an-example")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(
    number: int, tmp_path: Path, minilm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = EXAMPLES[number].replace("/run/secrets", str(tmp_path))
    for name in re.findall(r"env:(\w+)", text):
        monkeypatch.setenv(name, SECRET)
    (tmp_path / "azure-key").write_text(f"{SECRET}\n")
    Settings(**yaml.safe_load(text))  # as it stands
    text = text.replace("HuggingFaceTB/SmolLM2-135M-Instruct", str(minilm))  # needs no conversion
    with ProviderServer() as server:
        settings = Settings(data_dir=tmp_path, **local(yaml.safe_load(text), server))
        if "embedder" in text.splitlines()[0]:
            assert wiring.make_embedder(settings).embed(["a"]).shape == (1, DIMENSION)
            return
        llm = wiring.make_llm(settings)
        asked = [model for model in settings.llm.models if settings.llm.models[model][0] != "here"]

        async def main() -> list[str]:
            return [await _answer(llm, model) for model in asked]

        said = asyncio.run(main())
        assert said == ["The capital of France is Paris."] * len(asked)
        assert len(server.asked) == len(asked) > 0


async def _answer(llm: Any, model: str) -> str:
    stream = llm.generate(QUESTION, SamplingParams(model=model), request_id="r")
    return "".join([delta.text async for delta in stream])
