"""E-mail: nested, in many parts, with headers that are dear to understand."""

from __future__ import annotations

from benchmarks.hostile.bombs import Bombs, Count


def bombs(n: Count) -> Bombs:
    def nested(depth: int, kind: bytes) -> bytes:
        parts = [
            b"Content-Type: %s; boundary=b%d\n\n--b%d\n" % (kind, level, level)
            for level in range(depth)
        ]
        return b"Subject: s\n" + b"".join(parts) + b"\nwords\n"

    def header(name: bytes, value: bytes) -> bytes:
        return b"From: a@b.c\n" + name + b": " + value + b"\n\nwords"

    return {
        "nested-50.eml": lambda: nested(50, b"multipart/mixed"),
        "nested-2000.eml": lambda: nested(n(2_000), b"multipart/mixed"),
        "alternatives.eml": lambda: nested(n(300), b"multipart/alternative"),
        "digest.eml": lambda: nested(n(300), b"multipart/digest"),
        "forwarded.eml": lambda: b"Content-Type: message/rfc822\n\n" * n(900) + b"words",
        "forwarded-deep.eml": lambda: b"Content-Type: message/rfc822\n\n" * n(20_000) + b"words",
        "parts.eml": lambda: (
            b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n"
            + b"--b\nContent-Type: text/plain; name=a\n\nwords\n" * n(10_000)
        ),
        "boundaries.eml": lambda: (
            b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n" + b"--\n" * n(200_000)
        ),
        "no-boundary.eml": lambda: b"Subject: s\nContent-Type: multipart/mixed\n\nwords",
        "encoded-words.eml": lambda: header(b"Subject", b"=?utf-8?q?a?= " * n(20_000)),
        "encoded-word.eml": lambda: header(b"Subject", b"=?utf-8?b?" + b"QUFB" * n(50_000) + b"?="),
        "encoded-open.eml": lambda: header(b"Subject", b"=?" * n(50_000)),
        "encoded-charset.eml": lambda: header(b"Subject", b"=?zlib?b?eJwDAAAAAAE=?= words"),
        "comments.eml": lambda: header(b"To", b"(" * n(20_000)),
        "addresses.eml": lambda: header(b"To", b"a@b.c, " * n(20_000)),
        "groups.eml": lambda: header(b"To", b"a:" * n(20_000)),
        "quotes.eml": lambda: header(b"To", b'"' * n(20_000)),
        "angles.eml": lambda: header(b"To", b"<" * n(20_000)),
        "dots.eml": lambda: header(b"Cc", b"a." * n(20_000)),
        "routes.eml": lambda: header(b"From", b"<@a,@b," * n(5_000)),
        "literals.eml": lambda: header(b"To", b"a@[" * n(5_000)),
        "spaces.eml": lambda: header(b"Subject", b" " * n(500_000) + b"a"),
        "date.eml": lambda: header(b"Date", b"1" * n(100_000)),
        "date-odd.eml": lambda: header(b"Date", b"Mon, 99 Foo 99999 99:99:99 +9999"),
        "parameters.eml": lambda: header(
            b"Content-Type", b"text/plain; " + b"".join(b"a*%d*=b;" % i for i in range(n(5_000)))
        ),
        "parameter.eml": lambda: header(
            b"Content-Type", b"text/plain; charset=" + b"a;" * n(20_000)
        ),
        "disposition.eml": lambda: header(
            b"Content-Disposition", b"attachment; filename*=''%" * n(2_000)
        ),
        "message-id.eml": lambda: header(b"Message-ID", b"<" * n(20_000)),
        "mime-version.eml": lambda: header(b"MIME-Version", b"(1" * n(20_000)),
        "encoding.eml": lambda: header(b"Content-Transfer-Encoding", b"(" * n(20_000)),
        "headers.eml": lambda: b"A: b\n" * n(100_000) + b"Subject: s\n\nwords",
        "folded.eml": lambda: b"Subject: a\n" + b" b\n" * n(50_000) + b"\nwords",
        "surrogates.eml": lambda: header(b"Subject", b"\xff\xfe \x80 \xed\xa0\x80"),
        "charset.eml": lambda: header(b"Content-Type", b"text/plain; charset=zlib"),
        "charset-hex.eml": lambda: header(b"Content-Type", b"text/plain; charset=hex"),
        "base64.eml": lambda: header(b"Content-Transfer-Encoding", b"base64") + b"=" * n(100_000),
        "uuencode.eml": lambda: (
            header(b"Content-Transfer-Encoding", b"uuencode") + b"M" * n(100_000)
        ),
        "quoted.eml": lambda: (
            header(b"Content-Transfer-Encoding", b"quoted-printable") + b"=" * n(100_000)
        ),
        "html.eml": lambda: header(b"Content-Type", b"text/html") + b"<div>" * n(20_000),
    }
