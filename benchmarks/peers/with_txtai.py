"""txtai: text and HTML files, split by words, into its Embeddings index with content.

Its readers of PDF and Office files start Tika or load models from a hub, so they are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from _measure import Result, measure
from bs4 import BeautifulSoup
from txtai import Embeddings

WORDS = 110
TEXT = (".md", ".txt", ".csv", ".json")


def prepare(model: str) -> Callable[[list[Path]], Result]:
    embeddings = Embeddings(path=model, content=True, gpu=False, method="sentence-transformers")
    embeddings.index(["a text to warm up"])
    embeddings.delete([0])

    def ingest(files: list[Path]) -> Result:
        result = Result()
        rows: list[tuple[str, str]] = []
        for file in files:
            pieces = _pieces(file)
            if pieces:
                result.documents += 1
                rows += [(f"{file.name}/{number}", text) for number, text in enumerate(pieces)]
            else:
                result.unread.append(file.name)
        embeddings.index(rows)
        result.chunks = embeddings.count()
        return result

    return ingest


def _pieces(file: Path) -> list[str]:
    if file.suffix not in (*TEXT, ".html"):
        return []
    text = file.read_text(errors="replace")
    if file.suffix == ".html":
        text = BeautifulSoup(text, "html.parser").get_text(" ")
    words = text.split()
    return [" ".join(words[start : start + WORDS]) for start in range(0, len(words), WORDS)]


measure(prepare)
