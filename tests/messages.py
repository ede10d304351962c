"""E-mail messages with attachments, as mail programs write them."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "shared" / "data" / "docs"
"""Files of real life, where they are at hand."""

DATE = "Tue, 3 Mar 2026 09:12:00 +0100"
File = tuple[str, str, bytes]
"""Name, media type and bytes."""


def message(
    *files: File,
    text: str = "Here is what you asked for.",
    subject: str = "The offer",
    sender: str = "Ann Lee <ann@example.org>",
    date: str = DATE,
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "Bob <bob@example.org>", subject
    mail["Date"] = date
    mail.set_content(text)
    for name, media_type, data in files:
        main, _, sub = media_type.partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return mail


def nested(levels: int) -> EmailMessage:
    """A message in a message in a message …"""
    mail = message(text="The innermost.", subject="Level 0")
    for level in range(1, levels + 1):
        outer = message(text=f"Level {level} is here.", subject=f"Level {level}")
        outer.add_attachment(mail, filename=f"level{level - 1}.eml")
        mail = outer
    return mail
