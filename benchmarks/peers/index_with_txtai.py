"""txtai: passages into a hybrid index (dense and BM25) with their texts, saved for its API."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from txtai import Embeddings


def main() -> None:
    folder, model = Path(sys.argv[1]), sys.argv[2]
    lines = (folder / "passages.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    embeddings = Embeddings(
        path=model, method="sentence-transformers", hybrid=True, content=True, gpu=False
    )
    embeddings.index((row["id"], row["text"]) for row in rows)
    embeddings.save(str(folder / "index"))
    # What its API reads: JSON is YAML.
    settings = {"path": str(folder / "index"), "embeddings": {"gpu": False}}
    (folder / "config.yml").write_text(json.dumps(settings))


main()
