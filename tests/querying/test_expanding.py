from __future__ import annotations

import pytest

from smartypants.querying.asking import StepSkipped
from smartypants.querying.expanding import MAX_CHARS, variants
from smartypants.recipes import Expansion


def test_queries_one_a_line() -> None:
    said = '1. harbour charges\n- "fees of ports"\n\nHarbour Fees\nharbour charges\n3) a\n4) b'
    found = variants(Expansion.QUERIES, said, "harbour fees")
    assert found == ("harbour charges", "fees of ports", "a")


def test_a_passage_is_one_text() -> None:
    said = "The fee\nis due. " + "x" * 5_000
    [found] = variants(Expansion.HYPOTHETICAL, said, "fees")
    assert found.startswith("The fee is due.")
    assert len(found) == MAX_CHARS


@pytest.mark.parametrize("said", ["", " \n", "fees", "Fees\n1. fees"])
def test_nothing_new(said: str) -> None:
    with pytest.raises(StepSkipped, match="nothing new"):
        variants(Expansion.QUERIES, said, "fees")
