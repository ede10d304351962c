"""Contract suites that every plugin of a kind must pass; import one into your own tests."""

from __future__ import annotations

import asyncio
import math
import pickle
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from smartypants.errors import DocumentError, InvalidRequest, NotFound, SmartyPantsError
from smartypants.protocols import (
    LLM,
    BlobStore,
    Chunker,
    Connector,
    Embedder,
    Parser,
    Reranker,
    Vectors,
    VectorStore,
)
from smartypants.types import (
    Candidate,
    Chunk,
    Delta,
    DocumentRef,
    Filters,
    Message,
    ParsedDocument,
    SamplingParams,
)

QUESTION = (Message("user", "What is the capital of France? Answer in one sentence."),)


class LLMContract:
    """What any `LLM` does. Give the fixtures `llm` and `runner`, whose loop the LLM lives in.

    @pytest.fixture(scope="module")
    def runner():
        with asyncio.Runner() as runner:
            yield runner

    @pytest.fixture(scope="module")
    def llm():
        return MyLLM()

    class TestMyLLM(LLMContract):
        pass
    """

    def test_only_the_last_delta_is_final(self, llm: LLM, runner: asyncio.Runner) -> None:
        deltas = runner.run(_collect(llm, SamplingParams(max_tokens=12)))
        assert [delta.finish_reason is not None for delta in deltas].index(True) == len(deltas) - 1
        assert "".join(delta.text for delta in deltas).strip()

    def test_final_delta_counts_tokens(self, llm: LLM, runner: asyncio.Runner) -> None:
        final = runner.run(_collect(llm, SamplingParams(max_tokens=12)))[-1]
        assert 0 < final.prompt_tokens <= llm.count_tokens(QUESTION)
        assert 0 < final.completion_tokens <= 12

    def test_max_tokens_ends_with_length(self, llm: LLM, runner: asyncio.Runner) -> None:
        final = runner.run(_collect(llm, SamplingParams(max_tokens=2)))[-1]
        assert (final.finish_reason, final.completion_tokens) == ("length", 2)

    def test_streams_piecewise(self, llm: LLM, runner: asyncio.Runner) -> None:
        assert len(runner.run(_collect(llm, SamplingParams(max_tokens=8)))) > 2

    def test_concurrent_requests_keep_apart(self, llm: LLM, runner: asyncio.Runner) -> None:
        async def four() -> list[list[Delta]]:
            # The same id on purpose: ids are the caller's, and callers repeat themselves.
            params = SamplingParams(max_tokens=8)
            return await asyncio.gather(*(_collect(llm, params) for _ in range(4)))

        texts = ["".join(delta.text for delta in deltas) for deltas in runner.run(four())]
        assert len(set(texts)) == 1

    def test_usable_after_a_reader_left(self, llm: LLM, runner: asyncio.Runner) -> None:
        async def leave() -> Delta:
            params = SamplingParams(max_tokens=200)
            stream = llm.generate(QUESTION, params, request_id="leaves")
            first = await anext(stream)
            await stream.aclose()
            return first

        assert runner.run(leave()).finish_reason is None
        assert runner.run(_collect(llm, SamplingParams(max_tokens=4)))

    def test_prompt_that_does_not_fit(self, llm: LLM, runner: asyncio.Runner) -> None:
        long = (Message("user", "word " * 2 * llm.context_window),)
        with pytest.raises(InvalidRequest):
            runner.run(_collect(llm, SamplingParams(max_tokens=4), long))

    def test_longer_conversations_count_more(self, llm: LLM) -> None:
        assert llm.count_tokens(QUESTION) > 0
        assert llm.count_tokens(QUESTION * 2) > llm.count_tokens(QUESTION)


async def _collect(
    llm: LLM, params: SamplingParams, messages: tuple[Message, ...] = QUESTION
) -> list[Delta]:
    return [delta async for delta in llm.generate(messages, params, request_id="contract")]


HOSTILE_STRINGS = (
    '" or 1 == 1 or document_id == "',
    "' or 'a' == 'a",
    'x"] or acl_id in [1, 2, 3] or document_id in ["',
    "\\",
    '\\"',
    "\n",
    "\x00",
    "\x1f\x7f",
    "%",
    "_",
    "{{x}}",
    "日本",
    "\ud800",
    "",
    "x" * 5_000,
)
"""Values that a careless filter, path or statement would take for syntax."""


class ConnectorContract:
    """What any `Connector` does.

    Give the fixtures `connector` and `known`: documents of that source, each with its bytes.
    """

    def test_source_has_a_lasting_id(self, connector: Connector) -> None:
        assert connector.source_id == connector.source_id
        assert 0 < len(connector.source_id) <= 32
        assert connector.uri

    def test_lists_the_same_again(self, connector: Connector) -> None:
        assert list(connector.discover()) == list(connector.discover())

    def test_listed_documents_are_distinct_and_its_own(self, connector: Connector) -> None:
        refs = list(connector.discover())
        assert len({ref.document_id for ref in refs}) == len(refs)
        for ref in refs:
            assert ref.source_id == connector.source_id
            assert ref.name
            assert 0 < len(ref.etag) <= 300
            assert pickle.loads(pickle.dumps(ref)) == ref

    def test_listed_documents_can_be_fetched(self, connector: Connector) -> None:
        for ref in connector.discover():
            assert len(connector.fetch(ref)) == ref.size

    def test_fetches_the_bytes(
        self, connector: Connector, known: Sequence[tuple[DocumentRef, bytes]]
    ) -> None:
        assert [connector.fetch(ref) for ref, _ in known] == [data for _, data in known]

    def test_document_that_has_gone(
        self, connector: Connector, known: Sequence[tuple[DocumentRef, bytes]]
    ) -> None:
        ref = known[0][0]
        with pytest.raises(DocumentError) as caught:
            connector.fetch(replace(ref, uri=f"{ref.uri}-gone", etag="gone"))
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


class ParserContract:
    """What any `Parser` does.

    Give the fixtures `parser` and `sample`: a whole document of its format and the media type.
    """

    def test_names_its_media_types(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        assert sample[1] in parser.media_types
        assert all(re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", item) for item in parser.media_types)

    def test_same_bytes_same_result(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        first, again = _parse(parser, *sample), _parse(parser, *sample)
        assert first == again == pickle.loads(pickle.dumps(first))
        assert first.text.strip()
        assert first.title is None or first.title.strip()

    def test_page_marks_are_in_order(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        parsed = _parse(parser, *sample)
        offsets = [mark.offset for mark in parsed.pages]
        assert offsets == sorted(set(offsets))
        assert all(0 <= offset < len(parsed.text) for offset in offsets)
        assert all(mark.label for mark in parsed.pages)

    def test_truncated(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        data, media_type = sample
        for share in range(10):
            _parse_or_refuse(parser, data[: len(data) * share // 10], media_type)

    def test_damaged(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        data, media_type = sample
        for start in range(0, len(data), max(len(data) // 20, 1)):
            damaged = bytearray(data)
            damaged[start : start + 8] = bytes(255 - byte for byte in damaged[start : start + 8])
            _parse_or_refuse(parser, bytes(damaged), media_type)

    def test_something_else(self, parser: Parser, sample: tuple[bytes, str]) -> None:
        for data in (b"", b"plain words", bytes(range(256)), b"PK\x03\x04" * 9, b"<a><b>"):
            _parse_or_refuse(parser, data, sample[1])


def _parse(parser: Parser, data: bytes, media_type: str) -> ParsedDocument:
    return parser.parse(data, name="sample", media_type=media_type)


def _parse_or_refuse(parser: Parser, data: bytes, media_type: str) -> None:
    try:
        assert isinstance(_parse(parser, data, media_type).text, str)
    except DocumentError:
        return


CHUNKER_TEXTS = {
    "sections": "\n\n".join(
        f"{'#' * (1 + n % 3)} Section {n}\n\n" + f"Sentence {n} says something plain. " * (3 * n)
        for n in range(12)
    ),
    "one short line": "Just this.",
    "paragraphs": "\n\n".join(f"Paragraph {n} is here, and it is not long." for n in range(90)),
    "endless line": "word " * 5_000,
    "endless word": "x" * 9_000,
    "chinese": "今天天气很好，我们去公园散步。" * 300,
    "korean": "각종 문서를 찾아 읽습니다. " * 300,
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 family " * 200,
    "table": "| name | value |\n| --- | --- |\n" + "| a cell | another cell |\n" * 300,
    "code": "```python\n" + "def f(x):\n    return x + 1  # a comment\n\n" * 100 + "```\n",
    "list": "".join(f"- point {n}\n  - with a point below\n" for n in range(200)),
    "windows": "First line.\r\n\r\nSecond line.\r\n" * 100,
    "white space": "a" + " \n\t" * 3_000 + "b",
    "symbols": "# # # # # # # # # # # # # # # # # # # # # # # # #\ntext " * 20,
    "headings alone": "# One\n\n## Two\n\n### Three\n",
}


@pytest.mark.parametrize("text", CHUNKER_TEXTS.values(), ids=CHUNKER_TEXTS.keys())
class ChunkerContract:
    """What any `Chunker` does.

    Give the fixtures `chunker`, `max_tokens` (its limit) and `count_tokens` (by the real
    tokenizer, special tokens left out).
    """

    def test_ranges_are_in_order(self, chunker: Chunker, text: str) -> None:
        end_before = 0
        for start, end in chunker.split(text):
            assert end_before <= start < end <= len(text)
            end_before = end

    def test_keeps_the_limit(
        self, chunker: Chunker, text: str, max_tokens: int, count_tokens: Callable[[str], int]
    ) -> None:
        for start, end in chunker.split(text):
            assert count_tokens(text[start:end]) <= max_tokens

    def test_none_is_only_white_space(self, chunker: Chunker, text: str) -> None:
        assert all(text[start:end].strip() for start, end in chunker.split(text))

    def test_loses_headings_and_white_space_at_most(self, chunker: Chunker, text: str) -> None:
        covered = [False] * len(text)
        for start, end in chunker.split(text):
            covered[start:end] = [True] * (end - start)
        lost = "".join(char if not seen else "\n" for char, seen in zip(text, covered, strict=True))
        assert all(line.lstrip().startswith("#") for line in lost.splitlines() if line.strip())
        assert any(covered)

    def test_same_text_same_ranges(self, chunker: Chunker, text: str) -> None:
        assert chunker.split(text) == chunker.split(text)


class EmbedderContract:
    """What any `Embedder` does. Give the fixtures `embedder` and `model_path`, its folder."""

    TEXTS = (
        "A cat sat on the mat.",
        "Quarterly revenue grew by nine per cent.",
        "",
        "短い文",
        "The committee met on Tuesday to discuss the budget. " * 4,
        "\x00 \ufffd 👩‍👩‍👧‍👦",
    )

    def test_a_unit_vector_for_each_text(self, embedder: Embedder) -> None:
        vectors = embedder.embed(self.TEXTS)
        assert vectors.shape == (len(self.TEXTS), embedder.dimension)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)

    def test_no_texts(self, embedder: Embedder) -> None:
        assert embedder.embed([]).shape == (0, embedder.dimension)

    def test_rows_do_not_depend_on_the_batch(self, embedder: Embedder) -> None:
        many = [*self.TEXTS, *(f"Filler number {n}. " * (n % 7 + 1) for n in range(20))]
        order = np.random.default_rng(7).permutation(len(many))
        together = embedder.embed([many[row] for row in order])
        alone = np.concatenate([embedder.embed([many[row]]) for row in order[:5]])
        np.testing.assert_allclose((together[:5] * alone).sum(axis=1), 1.0, atol=5e-3)
        shown = embedder.embed(many)
        np.testing.assert_allclose((together * shown[order]).sum(axis=1), 1.0, atol=5e-3)

    def test_same_text_same_vector(self, embedder: Embedder) -> None:
        first, again = embedder.embed(self.TEXTS[:4]), embedder.embed(self.TEXTS[:4])
        np.testing.assert_allclose(first, again, atol=1e-6)

    def test_longer_texts_are_cut(self, embedder: Embedder) -> None:
        long = "word " * 2 * embedder.max_tokens
        short, longer = embedder.embed([long, long + "and something else at the end"])
        assert float(short @ longer) == pytest.approx(1.0, abs=5e-3)

    def test_shape_is_known_before_loading(self, embedder: Embedder, model_path: str) -> None:
        assert embedder.shape(model_path) == (embedder.dimension, embedder.max_tokens)


class VectorStoreContract:
    """What any `VectorStore` does. Give the class-scoped fixture `store`, which is running."""

    DIMENSION = 4

    @pytest.fixture(scope="class")
    @classmethod
    def physical(cls, store: VectorStore) -> Iterator[str]:
        name = f"contract{uuid.uuid4().hex[:8]}__model__v1"
        store.create(name, dimension=cls.DIMENSION)
        yield name
        store.drop(name)

    @pytest.fixture
    def three(self, store: VectorStore, physical: str) -> Iterator[list[Chunk]]:
        """Three documents of one chunk: acl ids 1, 2, 3; sources s1, s2, s3."""
        run = uuid.uuid4().hex[:8]
        texts = ("The fox runs.", "Foxes run and foxes hide.", "A fox, an owl and a badger meet.")
        chunks = [
            Chunk(f"{run}-{n}", "v1", 0, text, 10, 10 + len(text), ("Top", "Below"), "3", "Title")
            for n, text in enumerate(texts, start=1)
        ]
        _upsert(store, physical, chunks, np.eye(4, dtype=np.float32)[:3], acl_ids=[1, 2, 3])
        yield chunks
        store.delete_versions(physical, {chunk.document_id: None for chunk in chunks})

    def test_answers_when_it_runs(self, store: VectorStore) -> None:
        store.ping()

    def test_create_again_keeps_what_is_there(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        store.create(physical, dimension=self.DIMENSION)
        assert store.count(physical) == len(three)

    def test_chunks_come_back_as_they_were(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        for chunk, vector in zip(three, np.eye(4, dtype=np.float32), strict=False):
            best = _dense(store, physical, vector, limit=1)[0]
            assert best.chunk == chunk
            assert best.score == pytest.approx(1.0, abs=1e-3)
        found = _lexical(store, physical, "badger")
        assert [item.chunk for item in found] == [three[2]]

    def test_text_of_any_kind_comes_back(self, store: VectorStore, physical: str) -> None:
        texts = [*HOSTILE_STRINGS[:-4], "line\nline\r\n\ttab", "日本語 ünï 👩‍👩‍👧‍👦"]
        run = uuid.uuid4().hex[:8]
        chunks = [Chunk(run, "v1", n, f"{text}!", 0, 1) for n, text in enumerate(texts)]
        vectors = np.tile(np.eye(4, dtype=np.float32)[3], (len(texts), 1))
        _upsert(store, physical, chunks, vectors, acl_ids=[1] * len(texts))
        found = _dense(store, physical, vectors[0], limit=50, filters=Filters((run,)))
        assert {item.chunk.text for item in found} == {chunk.text for chunk in chunks}
        store.delete_versions(physical, {run: None})

    def test_dense_is_best_first_by_cosine(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        found = _dense(store, physical, np.array([0.48, 0.6, 0.64, 0.0], dtype=np.float32))
        assert [item.chunk for item in found] == [three[2], three[1], three[0]]
        assert [item.score for item in found] == pytest.approx([0.64, 0.6, 0.48], abs=1e-3)

    def test_lexical_is_best_first_by_stem(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        found = _lexical(store, physical, "FOX hiding")
        assert found[0].chunk == three[1]
        assert len(found) == 3
        scores = [item.score for item in found]
        assert scores == sorted(scores, reverse=True)
        assert all(score > 0 for score in scores)

    def test_lexical_searches_the_context(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        assert len(_lexical(store, physical, "title")) == len(three)

    @pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "the and of", "?!", "fox " * 3_000])
    def test_lexical_takes_any_text(
        self, store: VectorStore, physical: str, three: list[Chunk], text: str
    ) -> None:
        found = _lexical(store, physical, text)
        assert len(found) == (len(three) if "fox" in text else 0)

    @pytest.mark.usefixtures("three")
    def test_limit(self, store: VectorStore, physical: str) -> None:
        for limit in (1, 2):
            assert len(_dense(store, physical, limit=limit)) == limit
            assert len(_lexical(store, physical, "fox", limit=limit)) == limit

    @pytest.mark.parametrize("allowed", [(), (1,), (2, 3), (1, 2, 3), (4,), tuple(range(2, 2_000))])
    def test_every_read_keeps_to_the_acl_ids(
        self, store: VectorStore, physical: str, three: list[Chunk], allowed: tuple[int, ...]
    ) -> None:
        readable = {chunk.chunk_id for n, chunk in enumerate(three, start=1) if n in allowed}
        for filters in (Filters(), Filters(source_ids=("s1", "s2", "s3"))):
            assert _ids(_dense(store, physical, acl_ids=allowed, filters=filters)) == readable
            found = _lexical(store, physical, "fox", acl_ids=allowed, filters=filters)
            assert _ids(found) == readable

    def test_filters_narrow_both_legs(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        first, second, third = three
        ids = (first.document_id, second.document_id)
        for filters, expected in (
            (Filters(document_ids=ids), {first.chunk_id, second.chunk_id}),
            (Filters(source_ids=("s2", "s3")), {second.chunk_id, third.chunk_id}),
            (Filters(ids, ("s2", "s3")), {second.chunk_id}),
            (Filters(("none",)), set()),
        ):
            assert _ids(_dense(store, physical, filters=filters)) == expected
            assert _ids(_lexical(store, physical, "fox", filters=filters)) == expected

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    @pytest.mark.usefixtures("three")
    def test_hostile_filters_find_nothing(
        self, store: VectorStore, physical: str, value: str
    ) -> None:
        for filters in (Filters((value,)), Filters((), (value,)), Filters((value,), (value,))):
            assert not _dense(store, physical, acl_ids=(1,), filters=filters)
            assert not _lexical(store, physical, "fox", acl_ids=(1,), filters=filters)

    def test_upsert_replaces(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        new = replace(three[0], text="Now about herons.", page=None)
        for _ in range(2):
            _upsert(store, physical, [new], np.eye(4, dtype=np.float32)[3:], acl_ids=[9])
        assert store.count(physical) == len(three)
        assert [item.chunk for item in _lexical(store, physical, "heron", acl_ids=(9,))] == [new]
        only = Filters((new.document_id,))
        assert not _dense(store, physical, acl_ids=(1,), filters=only)
        assert not _lexical(store, physical, "fox", acl_ids=(1, 9), filters=only)

    @pytest.mark.usefixtures("three")
    def test_upsert_of_nothing(self, store: VectorStore, physical: str) -> None:
        before = store.count(physical)
        _upsert(store, physical, [], np.empty((0, 4), dtype=np.float32), acl_ids=[])
        assert store.count(physical) == before

    def test_delete_keeps_the_version_given(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        new = [replace(three[0], version="v2", index=index) for index in range(2)]
        vectors = np.eye(4, dtype=np.float32)[:2]
        _upsert(store, physical, new, vectors, acl_ids=[1, 1])
        document_id = three[0].document_id
        for _ in range(2):
            store.delete_versions(physical, {document_id: "v2"})
            left = _dense(store, physical, filters=Filters((document_id,)))
            assert _ids(left) == {chunk.chunk_id for chunk in new}
        assert store.count(physical) == 4
        store.delete_versions(physical, {document_id: None})
        assert _ids(_dense(store, physical)) == {chunk.chunk_id for chunk in three[1:]}

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    def test_hostile_deletes_remove_nothing_else(
        self, store: VectorStore, physical: str, three: list[Chunk], value: str
    ) -> None:
        store.delete_versions(physical, {value: None, f"{value}x": value})
        assert store.count(physical) == len(three)

    def test_delete_of_many_documents(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        run = uuid.uuid4().hex[:8]
        many = [Chunk(f"{run}-{n}", "v1", 0, "An otter.", 0, 9) for n in range(130)]
        vectors = np.tile(np.eye(4, dtype=np.float32)[3], (len(many), 1))
        _upsert(store, physical, many, vectors, acl_ids=[1] * len(many))
        assert store.count(physical) == len(many) + len(three)
        store.delete_versions(physical, {chunk.document_id: None for chunk in many})
        store.delete_versions(physical, {})
        assert store.count(physical) == len(three)

    def test_drop_is_idempotent(self, store: VectorStore) -> None:
        name = f"dropped{uuid.uuid4().hex[:8]}__model__v1"
        store.create(name, dimension=self.DIMENSION)
        store.drop(name)
        store.drop(name)

    def test_missing_collection_is_an_error_of_ours(self, store: VectorStore) -> None:
        with pytest.raises(SmartyPantsError) as caught:
            _dense(store, "missing__model__v1")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def _upsert(
    store: VectorStore,
    physical: str,
    chunks: Sequence[Chunk],
    vectors: Vectors,
    *,
    acl_ids: Sequence[int],
) -> None:
    sources = [f"s{acl_id}" for acl_id in acl_ids]
    store.upsert(physical, chunks, vectors, acl_ids=acl_ids, source_ids=sources)
    store.flush(physical)


ALL_EQUAL = np.full(4, 0.5, dtype=np.float32)


def _dense(
    store: VectorStore,
    physical: str,
    vector: Vectors = ALL_EQUAL,
    *,
    limit: int = 10,
    acl_ids: Sequence[int] = (1, 2, 3),
    filters: Filters = Filters(),  # noqa: B008 - frozen
) -> list[Candidate]:
    return store.dense(physical, vector, limit=limit, acl_ids=acl_ids, filters=filters)


def _lexical(
    store: VectorStore,
    physical: str,
    text: str,
    *,
    limit: int = 10,
    acl_ids: Sequence[int] = (1, 2, 3),
    filters: Filters = Filters(),  # noqa: B008 - frozen
) -> list[Candidate]:
    return store.lexical(physical, text, limit=limit, acl_ids=acl_ids, filters=filters)


def _ids(found: Sequence[Candidate]) -> set[str]:
    ids = {item.chunk.chunk_id for item in found}
    assert len(ids) == len(found)
    return ids


class BlobStoreContract:
    """What any `BlobStore` does. Give the fixture `blobs`."""

    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 20_000])
    def test_gives_back_what_was_put(self, blobs: BlobStore, data: bytes) -> None:
        blobs.put("raw/document/v1", data)
        assert blobs.get("raw/document/v1") == data

    def test_put_replaces(self, blobs: BlobStore) -> None:
        blobs.put("raw/a/v1", b"former, and longer")
        blobs.put("raw/a/v1", b"latter")
        assert blobs.get("raw/a/v1") == b"latter"

    def test_missing_key(self, blobs: BlobStore) -> None:
        with pytest.raises(NotFound) as caught:
            blobs.get("raw/nobody/v1")
        assert "raw/nobody/v1" in str(pickle.loads(pickle.dumps(caught.value)))

    def test_delete_removes_what_is_below(self, blobs: BlobStore) -> None:
        for key in ("raw/a/v1", "raw/a/v2", "raw/ab/v1", "text/a/v1"):
            blobs.put(key, key.encode())
        for _ in range(2):
            blobs.delete("raw/a")
            for key in ("raw/a/v1", "raw/a/v2"):
                with pytest.raises(NotFound):
                    blobs.get(key)
        assert [blobs.get(key) for key in ("raw/ab/v1", "text/a/v1")] == [
            b"raw/ab/v1",
            b"text/a/v1",
        ]

    def test_delete_of_one_key_and_put_again(self, blobs: BlobStore) -> None:
        blobs.put("raw/a/v1", b"1")
        blobs.put("raw/a/v2", b"2")
        blobs.delete("raw/a/v1")
        with pytest.raises(NotFound):
            blobs.get("raw/a/v1")
        assert blobs.get("raw/a/v2") == b"2"
        blobs.put("raw/a/v1", b"3")
        assert blobs.get("raw/a/v1") == b"3"

    def test_reader_sees_a_whole_value(self, blobs: BlobStore) -> None:
        values = [bytes([letter]) * 400_000 for letter in range(4)]
        blobs.put("raw/a/v1", values[0])
        with ThreadPoolExecutor(4) as pool:
            writes = [pool.submit(blobs.put, "raw/a/v1", value) for value in values * 5]
            while not all(write.done() for write in writes):
                assert blobs.get("raw/a/v1") in values
        assert all(write.exception() is None for write in writes)


class RerankerContract:
    """What any `Reranker` does. Give the fixture `reranker`."""

    PASSAGES = (
        "Ray is a framework.",
        "A ray is a fish.",
        "",
        "短い文",
        "word " * 600,
        "\x00 👩‍👩‍👧",
    )

    def test_one_number_a_passage(self, reranker: Reranker) -> None:
        scores = reranker.scores("what is Ray?", self.PASSAGES)
        assert len(scores) == len(self.PASSAGES)
        assert all(type(score) is float and math.isfinite(score) for score in scores)

    def test_no_passages(self, reranker: Reranker) -> None:
        assert reranker.scores("what is Ray?", []) == []

    def test_score_is_the_passages_own(self, reranker: Reranker) -> None:
        many = [*self.PASSAGES, *(f"Filler number {n}. " * (n % 3 + 1) for n in range(12))]
        together = reranker.scores("what is Ray?", many)
        backwards = reranker.scores("what is Ray?", many[::-1])[::-1]
        alone = [reranker.scores("what is Ray?", [passage])[0] for passage in many[:6]]
        assert together == pytest.approx(backwards, abs=5e-3)
        assert together[:6] == pytest.approx(alone, abs=5e-3)

    def test_any_query(self, reranker: Reranker) -> None:
        for query in ("", "word " * 2_000, "\x00", "日本"):
            assert len(reranker.scores(query, self.PASSAGES[:2])) == 2
