"""JSON and CSV: deep, wide, and dear to make a guess about."""

from __future__ import annotations

from benchmarks.hostile.bombs import Bombs, Count


def bombs(n: Count) -> Bombs:
    return _json(n) | _tables(n)


def _json(n: Count) -> Bombs:
    return {
        "deep-arrays.json": lambda: b"[" * n(500_000),
        "deep-objects.json": lambda: b'{"a":' * n(500_000),
        "nested-arrays.json": lambda: b"[" * 900 + b"1," * n(100_000) + b"1" + b"]" * 900,
        "nested-objects.json": lambda: (
            b'{"some key":' * 900 + b"[" + b"1," * n(20_000) + b"1]" + b"}" * 900
        ),
        "long-key.json": lambda: b'{"' + b"k" * n(100_000) + b'":[' + b"1," * n(100_000) + b"1]}",
        "digits.json": lambda: b"[" + b"1" * n(1_000_000) + b"]",
        "float.json": lambda: b"[1e999,-1e999,NaN,1." + b"1" * n(100_000) + b"]",
        "many.json": lambda: b"[" + b"1," * n(500_000) + b"1]",
        "many-objects.jsonl": lambda: b'{"a":1}\n' * n(100_000),
        "surrogates.json": lambda: b'{"title":"\\ud800","a\\udfff":"\\udc00 words\\u0000"}',
        "duplicates.json": lambda: b"{" + b'"a":"x",' * n(100_000) + b'"a":"y"}',
        "string.json": lambda: b'["' + b"a" * n(1_000_000) + b'"]',
        "escapes.json": lambda: b'["' + b"\\u0301" * n(100_000) + b'"]',
        "deep-lines.jsonl": lambda: (b"[" * 5_000 + b"\n") * n(100),
        "title.json": lambda: b'{"title":"' + b"t" * n(500_000) + b'"}',
    }


def _tables(n: Count) -> Bombs:
    return {
        "wide-then-long.csv": lambda: b"a," * n(50_000) + b"\n" + b"b\n" * n(50_000),
        "columns.csv": lambda: b"," * n(1_000_000) + b"a",
        "quotes.csv": lambda: b'"' * n(100_001) + b"a",
        "quote-commas.csv": lambda: b'"a,' * n(20_000),
        "sniff-1.csv": lambda: b",'\"" * n(3_000) + b"\na,b\n",
        "sniff-2.csv": lambda: b"\"'," * n(3_000) + b"\na,b\n",
        "sniff-3.csv": lambda: b"'a' \"b\" " * n(3_000) + b"\na,b\n",
        "sniff-4.csv": lambda: b'!"' * n(4_000) + b"\na,b\n",
        "sniff-5.csv": lambda: b'"\n' * n(4_000) + b"a,b\n",
        "sniff-6.csv": lambda: b'""a' * n(3_000) + b"\na,b\n",
        "sniff-7.csv": lambda: b"'''" * n(3_000) + b"\n",
        "unclosed.csv": lambda: b'a,b\n"' + b"x,y\n" * n(100_000),
        "field.csv": lambda: b"a,b\n" + b"x" * n(2_000_000),
        "nul.csv": lambda: b"a,b\n" * 2_000 + b"\x00,\x00\n" * n(10_000),
        "rows.csv": lambda: b"a,b\n" * n(100_000),
        "returns.csv": lambda: b"a,b\r" * n(50_000),
        "pipes.tsv": lambda: b"|\t|\n" * n(50_000),
        "empty-rows.csv": lambda: b",\n" * n(300_000),
    }
