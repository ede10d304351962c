"""LlamaIndex: SimpleDirectoryReader, SentenceSplitter, HuggingFaceEmbedding, SimpleVectorStore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from _measure import Result, measure
from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from transformers import AutoTokenizer

TOKENS = 200


def prepare(model: str) -> Callable[[list[Path]], Result]:
    embedder = HuggingFaceEmbedding(model_name=model, device="cpu", embed_batch_size=32)
    embedder.get_text_embedding("a text to warm up")
    tokenize = AutoTokenizer.from_pretrained(model).tokenize
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0, tokenizer=tokenize),
            embedder,
        ],
        vector_store=SimpleVectorStore(),
        disable_cache=True,
    )

    def ingest(files: list[Path]) -> Result:
        result = Result()
        documents = []
        for file in files:
            try:
                found = SimpleDirectoryReader(input_files=[file], raise_on_error=True).load_data()
            except Exception:
                found = []
            found = [document for document in found if document.text.strip()]
            if found:
                result.documents += 1
                documents += found
            else:
                result.unread.append(file.name)
        result.chunks = len(pipeline.run(documents=documents, show_progress=False))
        return result

    return ingest


measure(prepare)
