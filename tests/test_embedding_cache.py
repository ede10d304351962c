"""Vectors that are kept, also beyond the end of the process that put them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from smartypants.embedding_cache import EmbeddingCache, cache_key
from smartypants.ledger.database import BATCH
from smartypants.protocols import Vectors

Open = Callable[..., EmbeddingCache]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the one cache of this test, as another process would."""
    caches: list[EmbeddingCache] = []

    def open_(max_rows: int = 1000) -> EmbeddingCache:
        caches.append(EmbeddingCache(url(tmp_path), max_rows=max_rows))
        return caches[-1]

    yield open_
    for cache in caches:
        cache.close()


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'embeddings.db'}"


def keys(*texts: str) -> list[bytes]:
    return [cache_key("model", text) for text in texts]


def vectors(count: int, seed: int = 0, dimension: int = 8) -> Vectors:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


def test_keys_tell_models_and_texts_apart() -> None:
    pairs = [("m", "ab"), ("ma", "b"), ("m", "a b"), ("n", "ab"), ("m", ""), ("", "m"), ("m", "ü"),
             ("m", "\ud800"), ("m", "?"), ("m", "u\u0308")]  # fmt: skip
    found = [cache_key(*pair) for pair in pairs]
    assert len(set(found)) == len(pairs)
    assert {len(key) for key in found} == {16}
    assert cache_key("m", "ab") == found[0]


def test_vectors_come_back_bit_by_bit(opened: Open) -> None:
    cache, kept = opened(), vectors(3, dimension=384)
    kept[0, :5] = [np.float32(1 / 3), np.finfo(np.float32).tiny, -0.0, np.float32(1e-45), 1.0]
    cache.put(keys("a", "b", "c"), kept)
    found = cache.get([*keys("c", "a", "nobody"), *keys("c", "b")])
    assert set(found) == set(keys("a", "b", "c"))
    for key, vector in zip(keys("a", "b", "c"), kept, strict=True):
        assert found[key].dtype == np.float32
        assert found[key].tobytes() == vector.tobytes()


def test_other_kinds_of_floats_become_float32(opened: Open) -> None:
    cache, wide = opened(), vectors(1).astype(np.float64)
    cache.put(keys("a"), wide)
    assert cache.get(keys("a"))[keys("a")[0]].tobytes() == wide.astype("<f4").tobytes()


def test_nothing(opened: Open) -> None:
    cache = opened()
    assert cache.get([]) == {}
    assert cache.get(keys("a")) == {}
    cache.put([], np.empty((0, 8), dtype=np.float32))


def test_counts_must_match(opened: Open) -> None:
    cache = opened()
    with pytest.raises(ValueError, match="zip"):
        cache.put(keys("a", "b"), vectors(1))
    assert cache.get(keys("a")) == {}


def test_more_than_a_statement_takes(opened: Open) -> None:
    cache, names = opened(max_rows=5000), keys(*(str(n) for n in range(2 * BATCH + 7)))
    kept = vectors(len(names))
    cache.put(names, kept)
    found = cache.get(names)
    assert all(np.array_equal(found[key], kept[n]) for n, key in enumerate(names))
    assert len(found) == len(names)


def test_putting_again_changes_nothing(opened: Open) -> None:
    cache, first = opened(), vectors(1, seed=1)
    cache.put(keys("a"), first)
    cache.put(keys("a"), vectors(1, seed=2))
    assert np.array_equal(cache.get(keys("a"))[keys("a")[0]], first[0])


def test_oldest_go_first(opened: Open) -> None:
    # A cache sweeps with its first write.
    for name in "abcde":
        opened(max_rows=3).put(keys(name), vectors(1))
    assert set(opened().get(keys(*"abcde"))) == set(keys(*"cde"))


def test_newest_batch_stays_whole(opened: Open) -> None:
    opened(max_rows=3).put(keys("old"), vectors(1))
    opened(max_rows=3).put(keys(*"abcde"), vectors(5))
    assert set(opened().get(keys("old", *"abcde"))) == set(keys(*"abcde"))


def test_sweeps_now_and_then(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartypants.embedding_cache.SWEEP_ROWS", 4)
    cache = opened(max_rows=2)
    for name in "abcdefgh":
        cache.put(keys(name), vectors(1))
    assert len(cache.get(keys(*"abcdefgh"))) < 6
    assert keys("h")[0] in cache.get(keys("h"))


def test_many_writers_at_once(opened: Open) -> None:
    def write(worker: int) -> None:
        cache = opened(max_rows=10)
        for n in range(5):
            cache.put(keys(f"{worker}-{n}", f"shared-{n}"), vectors(2, seed=n))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert opened().get(keys("shared-4"))


CHILD = textwrap.dedent(
    """
    import sys
    import numpy as np
    from smartypants.embedding_cache import EmbeddingCache, cache_key

    cache = EmbeddingCache(sys.argv[1], max_rows=1000)
    asked = cache.get([cache_key("model", "ours")])
    rows = np.arange(8, dtype=np.float32).reshape(1, 8)
    for n in range(20):
        cache.put([cache_key("model", f"{n}")], rows + n)
    print(len(asked), flush=True)
    sys.stdin.read()
    """
)


def test_another_process_that_is_killed(opened: Open, tmp_path: Path) -> None:
    cache = opened()
    cache.put(keys("ours"), vectors(1))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, url(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n", "it did not see what this process put"
        seen = cache.get(keys("7"))
        assert list(seen[keys("7")[0]]) == [7, 8, 9, 10, 11, 12, 13, 14]
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    names = keys("ours", *(str(n) for n in range(20)))
    assert set(opened().get(names)) == set(names)
