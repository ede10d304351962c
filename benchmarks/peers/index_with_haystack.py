"""Haystack: passages into its in-memory store, saved for the server's processes to load."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from haystack import Document
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
)


def main() -> None:
    folder, model = Path(sys.argv[1]), sys.argv[2]
    lines = (folder / "passages.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    embedder = SentenceTransformersDocumentEmbedder(
        model=model, device=ComponentDevice.from_str("cpu"), progress_bar=False
    )
    documents = [Document(id=row["id"], content=row["text"]) for row in rows]
    store = InMemoryDocumentStore(embedding_similarity_function="dot_product")
    store.write_documents(embedder.run(documents=documents)["documents"])
    store.save_to_disk(str(folder / "store.json"))


main()
