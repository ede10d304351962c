from __future__ import annotations

from pathlib import Path

from smartypants import models
from smartypants.packing import best_at_the_ends, estimated_tokens, pack
from smartypants.tokenizing import TextTokenizer
from smartypants.types import SearchHit
from tests.conftest import MINILM
from tests.hits import hit

LEASE = (
    "Either party may end the lease at the end of a month. The notice period is three months, "
    "and notice has to be given in writing to the other party at the address in the lease."
)


def names(hits: list[SearchHit]) -> list[str]:
    return [item.chunk.document_id for item in hits]


def test_the_best_that_fit_and_never_none() -> None:
    hits = [hit("a " * 300, "d1"), hit("b " * 300, "d3"), hit("c", "d4")]
    assert names(pack(hits, budget=230)) == ["d1", "d4"]
    assert names(pack(hits, budget=1)) == ["d1"]


def test_tokens_are_counted_as_the_model_counts_them(minilm: Path) -> None:
    count = TextTokenizer(minilm / "tokenizer.json").count
    one, two = hit(LEASE, "d1"), hit(" ".join(reversed(LEASE.split())), "d2")
    whole = sum(count(item.chunk.searched_text) + 8 for item in (one, two))
    assert names(pack([one, two], budget=whole, count_tokens=count)) == ["d1", "d2"]
    assert names(pack([one, two], budget=whole - 1, count_tokens=count)) == ["d1"]


def test_estimate_is_from_above(minilm: Path) -> None:
    assert estimated_tokens(LEASE) >= TextTokenizer(minilm / "tokenizer.json").count(LEASE)


def test_what_says_the_same_is_packed_once() -> None:
    near = LEASE.replace("Either party", "Each party").replace("has to", "must")
    longer = f"{LEASE} It binds the heirs of both, wherever they live, for as long as it lasts."
    hits = [hit(LEASE, "d1"), hit(near, "d2"), hit(LEASE, "d3"), hit(longer[-120:], "d4")]
    assert names(pack(hits, budget=10_000)) == ["d1", "d4"]


def test_another_number_is_another_statement() -> None:
    first = LEASE.replace("three months", "3 months")
    other = LEASE.replace("three months", "6 months")
    assert names(pack([hit(first, "d1"), hit(other, "d2")], budget=10_000)) == ["d1", "d2"]


def test_short_passages_are_compared_whole() -> None:
    hits = [hit("Yes.", "d1"), hit("No.", "d2"), hit("yes", "d3")]
    assert names(pack(hits, budget=1000)) == ["d1", "d2"]


def test_best_stand_at_the_ends() -> None:
    hits = [hit(str(number), str(number)) for number in range(1, 6)]
    assert names(best_at_the_ends(hits)) == ["2", "4", "5", "3", "1"]
    assert names(best_at_the_ends(hits[:1])) == ["1"]
    assert best_at_the_ends([]) == []


def test_tokenizer_is_found_where_it_is_and_nothing_is_fetched(
    tmp_path: Path, minilm: Path
) -> None:
    assert models.tokenizer_file(MINILM, cache=tmp_path) == minilm / "tokenizer.json"
    assert models.tokenizer_file(str(minilm), cache=tmp_path) == minilm / "tokenizer.json"
    assert models.tokenizer_file(str(tmp_path), cache=tmp_path) is None
    smollm = "HuggingFaceTB/SmolLM2-135M-Instruct"  # not converted yet
    assert models.tokenizer_file(smollm, cache=tmp_path) is None
    converted = tmp_path / "SmolLM2-135M-Instruct.Q4_1"
    converted.mkdir()
    (converted / "tokenizer.json").write_text("{}")
    assert models.tokenizer_file(smollm, cache=tmp_path) == converted / "tokenizer.json"
    assert models.tokenizer_file("nobody/has-this", cache=tmp_path) is None
