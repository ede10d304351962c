"""XML inside documents: entities that grow or reach out, and depth."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.hostile.archives import DOCX, EPUB, PPTX, XLSX, member_like, repacked
from benchmarks.hostile.bombs import Bombs, Count


def bombs(n: Count) -> Bombs:
    laughs = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
    )  # fmt: skip
    laugh = (laughs + "]><x>&j;</x>").encode()
    quadratic = (
        b'<!DOCTYPE x [<!ENTITY a "' + b"a" * n(100_000) + b'">]><x>' + b"&a;" * n(10_000) + b"</x>"
    )
    outside = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    remote = b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x>words</x>'
    parameter = b"<!DOCTYPE x [<!ENTITY % a \"<!ENTITY b 'words'>\">%a;]><x>&b;</x>"
    late = b"<!--" + b" " * 10_000 + b"-->" + laugh
    forms = {
        "laughs": laugh, "quadratic": quadratic, "outside": outside, "remote": remote,
        "parameter": parameter, "late": late, "utf16": (laughs + "]><x>&j;</x>").encode("utf-16"),
        "deep": b"<x>" * n(100_000), "nested": b"<x>" * n(5_000) + b"</x>" * n(5_000),
        "attributes": b"<x " + b"".join(b'a%d="b" ' % i for i in range(n(20_000))) + b"/>",
        "namespaces": b"".join(b'<x xmlns="%d">' % i for i in range(n(5_000))) + b"</x>" * n(5_000),
    }  # fmt: skip
    places = {
        DOCX: ("word/document.xml", "docProps/core.xml", "word/styles.xml", "[Content_Types].xml"),
        XLSX: ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"),
        PPTX: ("ppt/presentation.xml", "ppt/slides/slide1.xml"),
        EPUB: ("META-INF/container.xml", "OEBPS/content.opf", "OEBPS/chapter1.xhtml"),
    }
    return {
        f"{form}-{place.replace('/', '_')}{Path(file).suffix}": partial(
            repacked, file, {member_like(file, place): data}
        )
        for form, data in forms.items()
        for file, members in places.items()
        for place in members
    }
