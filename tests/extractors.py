"""Isolated extractors for tests, with small limits."""

from __future__ import annotations

from pathlib import Path

from smartypants.extracting import ChunkerSpec, ExtractionLimits, IsolatedExtractor


def markdown(model: Path, *, max_tokens: int = 206) -> ChunkerSpec:
    """The Markdown chunker, counting with a model's tokenizer."""
    path = str(model / "tokenizer.json")
    return ChunkerSpec("markdown", {"tokenizer_path": path, "max_tokens": max_tokens})


def make(
    chunker: ChunkerSpec,
    *,
    timeout_s: float = 60,
    memory_bytes: int = 2**31,
    max_text_chars: int = 2_000_000,
    max_chunks: int = 20_000,
    max_metadata_chars: int = 1_000,
    max_requests: int = 1_000,
    recycle_rss_bytes: int = 2**30,
) -> IsolatedExtractor:
    return IsolatedExtractor(
        chunker,
        ExtractionLimits(max_text_chars, max_chunks, max_metadata_chars),
        timeout_s=timeout_s,
        memory_bytes=memory_bytes,
        max_requests=max_requests,
        recycle_rss_bytes=recycle_rss_bytes,
    )
