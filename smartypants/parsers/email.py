"""E-mail messages (RFC 5322)."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

from smartypants.errors import DocumentUnreadable
from smartypants.media_types import EMAIL
from smartypants.parsers import _markdown
from smartypants.parsers.text import unify
from smartypants.types import ParsedDocument

_SHOWN = ("from", "to", "cc", "date")


class EmailParser:
    """Subject, sender, recipients, date, body, and the names of attachments."""

    media_types = (EMAIL,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        try:
            message = email.message_from_bytes(data, policy=email.policy.default)
            headers = {key: str(message[key]) for key in (*_SHOWN, "subject") if message[key]}
            body = _body(message, name)
            attached = [part.get_filename() for part in message.iter_attachments()]
        except (ValueError, LookupError, TypeError, AttributeError, IndexError) as exc:
            raise DocumentUnreadable(
                f"{name} is a damaged message: {exc}", "Export the message again."
            ) from exc
        if not message.keys():
            raise DocumentUnreadable(f"{name} has no e-mail headers.", "Is it a message?")
        subject = headers.pop("subject", None)
        names = [item for item in attached if item]
        lines = [f"{key.capitalize()}: {value}" for key, value in headers.items()]
        if names:
            lines.append(f"Attachments: {', '.join(names)}")
        text, _ = _markdown.join(
            [(None, f"# {subject}" if subject else ""), (None, "\n".join(lines)), (None, body)]
        )
        return ParsedDocument(text, title=subject, metadata=headers)


def _body(message: EmailMessage, name: str) -> str:
    part = message.get_body(preferencelist=("html", "plain"))
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
