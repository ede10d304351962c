"""Where the sentences of a passage are."""

from __future__ import annotations

import re

# A heading ends with its line. A line break inside a paragraph does not end a sentence; before a
# list item, a table row or a heading it does.
_SENTENCE = re.compile(
    r"(?m:^) {0,3}#{1,6} [^\n]*(?:\s+|$)|"
    r"(?:[^.!?\n]|[.!?](?!\s|$)|\n(?!\s|[|#>*+-]|\d+[.)]))*[.!?]*[\"')\]”’]*(?:\s+|$)"
)


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, without white space around it; headings are none."""
    return [
        (found.start() + len(found[0]) - len(found[0].lstrip()), found.start() + len(stripped))
        for found in _SENTENCE.finditer(text)
        if (stripped := found[0].rstrip()) and not stripped.lstrip().startswith("#")
    ]
