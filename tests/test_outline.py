"""Headings in force (CommonMark 4.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.outline import MAX_HEADING_CHARS, body_start, outline

TEXT = """before
# One
a
## Two
b
```
# no heading
```
~~~
```
## none either
~~~
### Three
c
## Four
d
# Five
e
"""


@pytest.mark.parametrize(
    ("mark", "path"),
    [
        ("before", ()),
        ("a\n", ("One",)),
        ("b\n", ("One", "Two")),
        ("no heading", ("One", "Two")),
        ("none either", ("One", "Two")),
        ("c\n", ("One", "Two", "Three")),
        ("d\n", ("One", "Four")),
        ("e\n", ("Five",)),
    ],
)
def test_headings_in_force(mark: str, path: tuple[str, ...]) -> None:
    assert outline(TEXT).at(TEXT.rindex(mark)) == path


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("# a", "a"), ("   ## a  ", "a"), ("# a ##", "a"), ("# a # b #", "a # b"), ("# C#", "C#"),
        ("#\ta", "a"), ("# a \\#", "a \\#"), ("    # code", None), ("#a", None),
        ("####### a", None),
        ("#", None), ("# ", None), ("## ##", None), ("a # b", None),
    ],
)  # fmt: skip
def test_what_a_heading_is(line: str, heading: str | None) -> None:
    assert outline(line).paths == (((heading,),) if heading else ())


def test_long_heading_is_cut() -> None:
    assert len(outline("# " + "x" * 500).paths[0][0]) == MAX_HEADING_CHARS


def test_skipped_levels() -> None:
    assert outline("### c\n## b\n# a\n### d").paths == (("c",), ("b",), ("a",), ("a", "d"))


@pytest.mark.parametrize(
    "line",
    ["# " + " " * 200_000 + "x", "# a" + " " * 200_000 + "b", "# " + "x #" * 100_000, "#" * 10**6],
)
def test_endless_lines_do_not_take_for_ever(line: str) -> None:
    assert len(outline(line + "\n" + line).paths) in (0, 2)


def test_body_starts_after_the_headings() -> None:
    text = "# One\n\n## Two\nbody\n# Three\n"
    assert body_start(text, 0, len(text)) == text.index("body")
    assert body_start(text, 3, 12) == 3
    assert body_start("# One\n# Two\n", 0, 12) == 11
    assert body_start("", 0, 0) == 0


@given(text=st.text(alphabet="# \n`~ab\r\x0c\u2028", max_size=60), data=st.data())
def test_offsets_stay_inside(text: str, data: st.DataObject) -> None:
    found = outline(text)
    assert list(found.offsets) == sorted(set(found.offsets))
    assert len(found.offsets) == len(found.paths)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert start <= body_start(text, start, end) <= max(end - 1, start)
