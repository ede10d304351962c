"""HTML that is deep, wide or never closed."""

from __future__ import annotations

import zlib
from functools import partial

from benchmarks.hostile.bombs import Bombs, Count


def bombs(n: Count) -> Bombs:
    deep = {
        "div": "<div>",
        "b": "<b>",
        "a": "<a href=x>",
        "table": "<table><tr><td>",
        "ul": "<ul><li>",
        "blockquote": "<blockquote>",
        "p": "<p>",
        "font": "<font>",
        "select": "<select><option>",
        "svg": "<svg><g>",
        "math": "<math><mi>",
        "template": "<template>",
        "frameset": "<frameset>",
        "unknown": "<x-y>",
        "form": "<form>",
        "button": "<button>",
        "dl": "<dl><dd>",
        "pre": "<pre>",
        "title": "<title>",
        "title-open": "<title ",
        "comment": "<!-- ",
        "doctype": "<!DOCTYPE ",
        "script": "<script>",
        "style": "<style>",
        "textarea": "<textarea>",
        "nobr": "<nobr>a",
        "h1": "<h1>",
        "i-p": "<i><p>",
        "ruby": "<ruby><rt>",
        "q": "<q>",
        "details": "<details>",
        "td": "<td>",
        "nav": "<nav>",
        "end": "</div>",
        "lt": "<",
        "amp": "&amp;",
        "bad-ref": "&#x110000;",
        "no-end-ref": "&lt",
        "quotes": "<a title='",
        "equals": "<a =",
        "cdata": "<![CDATA[",
        "pi": "<?x ",
        "meta": "<meta ",
        "br": "<br>",
        "img": "<img src=x>",
        "hr": "<hr>",
        "li": "<li>",
        "em": "<em>a ",
    }
    bombs: Bombs = {
        f"deep-{name}.html": partial(_repeated, tag, n(200_000), "words")
        for name, tag in deep.items()
    }
    bombs |= {
        f"nested-{name}.html": partial(_repeated, tag, n(400) * len(tag), "words")
        for name, tag in deep.items()
    }
    cell = "<table><tr><td {}>words</td><td>b</td></tr><tr><td>c</td></tr></table>"
    bombs |= {
        "colspan.html": lambda: cell.format("colspan=1000000000").encode(),
        "rowspan.html": lambda: cell.format("rowspan=1000000000").encode(),
        "spans.html": lambda: cell.format("rowspan=65534 colspan=1000").encode() * n(20),
        "wide.html": lambda: b"<table><tr>" + b"<td>a" * n(50_000) + b"<tr><td>b" * n(5_000),
        "attributes.html": lambda: (
            b"<p " + b"".join(b"a%d=b " % i for i in range(n(50_000))) + b">words"
        ),
        "attribute.html": lambda: b"<p title='" + b"a" * n(1_000_000) + b"'>words",
        "data-uri.html": lambda: (
            b"<img src='data:image/png;base64," + b"A" * n(3_000_000) + b"'>words"
        ),
        "start.html": lambda: b"<ol start=99999999999999999999><li>words</ol>",
        "closed-divs.html": lambda: b"<div>" * n(3_000) + b"words" + b"</div>" * n(3_000),
        "adoption.html": lambda: b"<a><b><i><p>" * n(300) + b"words" + b"</a></b></i>" * n(300),
        "charset.html": lambda: b"<meta charset=utf-7>+ADw-script+AD4- words",
        "charset-codec.html": lambda: b"<meta charset=hex>words",
        "charset-zlib.html": lambda: b"<meta charset=zlib>" + zlib.compress(b"0" * n(10_000_000)),
        "nulls.html": lambda: b"<p>" * 2_000 + b"a\x00b" * n(10_000),
    }
    return bombs


def _repeated(text: str, chars: int, end: str = "") -> bytes:
    return (text * max(chars // len(text), 1) + end).encode()
