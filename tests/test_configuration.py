from __future__ import annotations

from pathlib import Path

from smartypants.configuration import reference

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_every_setting_says_what_it_does() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    bare = [row for row in rows if row.rstrip("| ").count("|") < 4 and "serve." not in row]
    assert len(rows) > 60
    assert bare == []
