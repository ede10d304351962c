"""Haystack: converters, DocumentSplitter, SentenceTransformersDocumentEmbedder, in-memory store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from _measure import Result, measure
from haystack import Document, Pipeline
from haystack.components.converters import (
    CSVToDocument,
    DOCXToDocument,
    HTMLToDocument,
    PPTXToDocument,
    PyPDFToDocument,
    TextFileToDocument,
    XLSXToDocument,
)
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
)

WORDS = 110
CONVERTERS = {
    ".md": TextFileToDocument,
    ".txt": TextFileToDocument,
    ".html": HTMLToDocument,
    ".csv": CSVToDocument,
    ".json": TextFileToDocument,
    ".pdf": PyPDFToDocument,
    ".docx": DOCXToDocument,
    ".pptx": PPTXToDocument,
    ".xlsx": XLSXToDocument,
}


def prepare(model: str) -> Callable[[list[Path]], Result]:
    embedder = SentenceTransformersDocumentEmbedder(
        model=model, device=ComponentDevice.from_str("cpu"), progress_bar=False
    )
    embedder.warm_up()
    embedder.run(documents=[Document(content="a text to warm up")])
    store = InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=WORDS))
    pipeline.add_component("embed", embedder)
    pipeline.add_component("write", DocumentWriter(document_store=store))
    pipeline.connect("split", "embed")
    pipeline.connect("embed", "write")

    def ingest(files: list[Path]) -> Result:
        result = Result()
        documents: list[Document] = []
        for suffix, converter in CONVERTERS.items():
            run = converter()
            for file in (file for file in files if file.suffix == suffix):
                try:
                    found = run.run(sources=[file])["documents"]
                except Exception:
                    found = []
                found = [document for document in found if (document.content or "").strip()]
                if found:
                    result.documents += 1
                    documents += found
                else:
                    result.unread.append(file.name)
        result.unread += [file.name for file in files if file.suffix not in CONVERTERS]
        pipeline.run({"split": {"documents": documents}})
        result.chunks = store.count_documents()
        return result

    return ingest


measure(prepare)
