"""Plain text and Markdown that is dear to chunk."""

from __future__ import annotations

import random
from functools import partial

from benchmarks.hostile.bombs import Bombs, Count


def bombs(n: Count) -> Bombs:
    lines = {
        "a": "a",
        "spaces": " ",
        "words": "word ",
        "hashes": "#",
        "headings-in-one": "# ",
        "backticks": "`",
        "quotes": ">",
        "stars": "*",
        "stars-words": "*a ",
        "underscores": "_a_",
        "brackets": "[",
        "links": "[a](",
        "images": "![",
        "pipes": "|",
        "dashes": "-",
        "tildes": "~",
        "angles": "<",
        "tags": "<a ",
        "ampersands": "&",
        "backslashes": "\\",
        "digits": "1",
        "tabs": "\t",
        "form-feeds": "\x0c",
        "controls": "\x01",
        "zero-width": "\u200b",
        "joiners": "\U0001f469\u200d",
        "rtl": "\u202e",
        "ligature": "\ufdfa",
        "cjk": "汉",
        "hangul": "각",
        "separators": "\u2028",
        "private": "\ue000",
        "marks": "\u0301",
        "marks-unsorted": "\u0301\u0323",
        "astral": "\U0001f600",
        "brackets-stars": "[*a](",
        "list": "- ",
        "ordered": "1. ",
        "fences": "~~~ ",
        "escapes": "\\[",
        "colons": ":",
        "composition-exclusions": "\u0958",
        "comments": "<!--",
        "cdata": "<![CDATA[",
        "hash-tab": "#\t",
    }
    bombs: Bombs = {
        f"line-{name}.md": partial(_repeated, text, n(1_000_000)) for name, text in lines.items()
    }
    rows = {
        "headings": "# a\n",
        "deep-headings": "###### a\n",
        "empty": "\n",
        "points": "- a\n",
        "table": "| a | b |\n",
        "setext": "a\n===\n",
        "fence": "```\n",
        "rules": "---\n",
        "quotes": "> a\n",
        "spaces": "     \n",
        "letters": "a\n",
        "definitions": "[a]: b\n",
        "heading-unique": "## {}\nx\n",
    }
    bombs |= {f"rows-{name}.md": partial(_rows, text, n(500_000)) for name, text in rows.items()}
    bombs |= {
        "nested-quotes.md": lambda: b"\n".join(b">" * depth for depth in range(n(1_000))),
        "nested-points.md": lambda: b"\n".join(b" " * 2 * d + b"- a" for d in range(n(1_000))),
        "indented.md": lambda: b"\n".join(b" " * depth + b"a" for depth in range(n(1_000))),
        "utf16-surrogates.txt": lambda: b"\xff\xfe" + b"\x00\xd8" * n(100_000) + b"a\x00",
        "utf16-odd.txt": lambda: b"\xff\xfea",
        "latin.txt": lambda: bytes(range(0x80, 0x100)) * n(2_000),
        "random.txt": lambda: random.Random(1).randbytes(n(200_000)).replace(b"\x00", b"\x01"),
        "front-matter.md": lambda: b"---\n" + b"a: b\n" * n(100_000),
        "letter-of-marks.txt": lambda: ("a" + "\u0323\u0301" * n(300_000)).encode(),
        "nul-late.txt": lambda: b"words " * 1_000 + b"\x00" * n(10_000),
        "white.txt": lambda: b" \n\t\x0c" * n(100_000),
        "bom-only.txt": lambda: b"\xef\xbb\xbf",
    }
    return bombs


def _repeated(text: str, chars: int) -> bytes:
    return (text * max(chars // len(text), 1)).encode()


def _rows(text: str, chars: int) -> bytes:
    return "".join(text.format(row) for row in range(chars // len(text))).encode()
