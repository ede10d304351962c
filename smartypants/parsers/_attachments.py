"""The parts of an e-mail message that are documents of their own, and those that are not."""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import InvalidBase64LengthDefect
from email.message import MIMEPart
from pathlib import PurePath
from typing import cast

from smartypants.media_types import EMAIL, EXTENSIONS, HTML, claimed
from smartypants.types import Attachment

MAX_NAME_CHARS = 150

INLINE = "inline image"
SIGNATURE = "signature"

_SIGNATURES = (
    "application/pgp-signature",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
)
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_UTF8 = ("utf-8", "us-ascii")


@dataclass(slots=True)
class Attachments:
    """What a message carries, in its order; `skipped` has a name and a reason of each."""

    attachments: list[Attachment] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """What its reader sees as attachments."""


def find(message: MIMEPart, body: MIMEPart | None) -> Attachments:
    """Everything besides the body. Raises what `email` raises for a damaged message."""
    found = Attachments()
    for part in _leaves(message):
        if part is body or _is_text(part):
            continue
        name, declared = _file_name(part), part.get_content_type()
        kind, why = claimed(name, declared), _reason(part)
        if name and why != INLINE:
            found.names.append(name)
        if kind is not None and why is None:
            name = name or f"attachment{_extension(kind)}"
            found.attachments.append(Attachment(name, kind, _data(part)))
        else:
            found.skipped.append((name or declared, why or f"no parser for {declared}"))
    return found


def _leaves(message: MIMEPart) -> Iterator[MIMEPart]:
    """Parts that have none of their own; a message inside is one part."""
    todo = [message]
    while todo:
        part = todo.pop()
        if part.get_content_maintype() != "multipart":
            yield part
            continue
        todo += reversed([*part.iter_parts()])


def _is_text(part: MIMEPart) -> bool:
    """Whether it is a piece of what the sender wrote, or another form of it."""
    named = part.get_filename() or part.is_attachment()
    return part.get_content_maintype() == "text" and not named


def _reason(part: MIMEPart) -> str | None:
    """Why it is no attachment, whatever its format."""
    if part.get_content_maintype() == "image" and not part.is_attachment():
        return INLINE
    if part.get_content_type() in _SIGNATURES:
        return SIGNATURE
    return None


def _file_name(part: MIMEPart) -> str:
    """Without folders, cut to `MAX_NAME_CHARS`; "" for none."""
    given = (part.get_filename() or "").replace("\\", "/").rsplit("/", 1)[-1]
    if len(given) <= MAX_NAME_CHARS:
        return given
    suffix = PurePath(given).suffix[:MAX_NAME_CHARS]
    return given[: MAX_NAME_CHARS - len(suffix)] + suffix


def _extension(kind: str) -> str:
    return next(suffix for suffix, known in EXTENSIONS.items() if known == kind)


def _data(part: MIMEPart) -> bytes:
    if part.get_content_type() == EMAIL and part.is_multipart():
        inside = cast("MIMEPart", part.get_payload(0))
        return inside.as_bytes()
    data = cast("bytes | None", part.get_payload(decode=True)) or b""
    if any(isinstance(defect, InvalidBase64LengthDefect) for defect in part.defects):
        data = _cut_off_base64(data)
    charset = part.get_content_charset("utf-8")
    # A page says itself how it is encoded; another text leaves that to the message.
    if part.get_content_maintype() != "text" or part.get_content_type() == HTML:
        return data
    return data if charset in _UTF8 else _in_utf8(data, charset)


def _cut_off_base64(data: bytes) -> bytes:
    """The bytes up to where it broke off; `email` leaves all of it as it is."""
    digits = _NO_BASE64.sub(b"", data)
    return base64.b64decode(digits[: len(digits) // 4 * 4])


def _in_utf8(data: bytes, charset: str) -> bytes:
    try:
        return codecs.BOM_UTF8 + data.decode(charset, "replace").encode()
    except LookupError:
        return data
