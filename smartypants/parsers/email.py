"""E-mail messages (RFC 5322)."""

from __future__ import annotations

from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.policy import EmailPolicy
from typing import cast

from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.media_types import EMAIL
from smartypants.parsers import _attachments, _markdown
from smartypants.parsers.text import unify
from smartypants.types import ParsedDocument

SKIPPED = "attachments_skipped"
"""The metadata that says which attachments are no documents, and why."""

_SHOWN = ("from", "to", "cc", "date")


MAX_HEADER_CHARS = 2_000
MAX_PARTS = 500


class _ShortHeaders(EmailPolicy):
    """Cuts long headers: the time to understand one grows with the square of its length."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:MAX_HEADER_CHARS]


_POLICY = _ShortHeaders(refold_source="none")  # a message inside is written out as it was


class EmailParser:
    """Subject, sender, recipients, date, body, and attachments."""

    media_types = (EMAIL,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        try:
            parsed = BytesParser(EmailMessage, policy=_POLICY).parsebytes(data)
            message = cast("EmailMessage", parsed)
            if sum(1 for _ in message.walk()) > MAX_PARTS:
                raise DocumentTooLarge(f"{name} has over {MAX_PARTS} parts.", "Split the message.")
            headers = {key: str(message[key]) for key in (*_SHOWN, "subject") if message[key]}
            body = message.get_body(preferencelist=("html", "plain"))
            text = _text(body, name)
            found = _attachments.find(message, body)
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            IndexError,
            RecursionError,
        ) as exc:
            raise DocumentUnreadable(
                f"{name} is a damaged message: {exc}", "Export the message again."
            ) from exc
        if not message.keys():
            raise DocumentUnreadable(f"{name} has no e-mail headers.", "Is it a message?")
        subject = headers.pop("subject", None)
        lines = [f"{key.capitalize()}: {value}" for key, value in headers.items()]
        if found.names:
            lines.append(f"Attachments: {', '.join(found.names)}")
        whole, _ = _markdown.join(
            [(None, f"# {subject}" if subject else ""), (None, "\n".join(lines)), (None, text)]
        )
        if found.skipped:
            headers[SKIPPED] = "; ".join(f"{item}: {why}" for item, why in found.skipped)
        return ParsedDocument(
            whole, title=subject, metadata=headers, attachments=tuple(found.attachments)
        )


def _text(part: MIMEPart | None, name: str) -> str:
    if part is None:
        return ""
    try:
        content = str(part.get_content())
    except (LookupError, UnicodeError):
        payload = part.get_payload(decode=True)
        content = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    if part.get_content_subtype() == "html":
        return _markdown.from_html(content, name=name)
    return unify(content)


PLUGIN = EmailParser
