"""What of an e-mail message becomes documents, and what does not."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.media_types import CSV, EMAIL, HTML, PDF, TEXT
from smartypants.parsers._attachments import MAX_NAME_CHARS
from smartypants.parsers.email import SKIPPED, EmailParser
from smartypants.types import Attachment, ParsedDocument
from tests.messages import DOCS, message, nested
from tests.parsers import samples

OCTETS = "application/octet-stream"


def parse(mail: EmailMessage | bytes) -> ParsedDocument:
    data = mail if isinstance(mail, bytes) else mail.as_bytes()
    return EmailParser().parse(data, name="mail.eml", media_type=EMAIL)


def names(mail: EmailMessage | bytes) -> list[str]:
    return [item.name for item in parse(mail).attachments]


def test_files_of_known_formats() -> None:
    pdf, word = samples.sample_pdf(), samples.sample_docx()
    page = b"<html><body><p>A page</p></body></html>"
    mail = message(("plan.pdf", PDF, pdf), ("terms.docx", OCTETS, word), ("page", HTML, page))
    parsed = parse(mail)
    assert [(item.name, item.data) for item in parsed.attachments] == [
        ("plan.pdf", pdf),
        ("terms.docx", word),
        ("page", page),
    ]
    assert SKIPPED not in parsed.metadata
    assert "Attachments: plan.pdf, terms.docx, page" in parsed.text
    assert "A page" not in parsed.text


def test_a_message_inside_is_one_attachment() -> None:
    inner = message(("deep.txt", TEXT, b"deep down"), subject="Inside", text="Inner words.")
    outer = message(subject="Outside")
    outer.add_attachment(inner)
    (found,) = parse(outer).attachments
    assert (found.name, found.media_type) == ("attachment.eml", EMAIL)
    again = parse(found.data)
    assert again.title == "Inside"
    assert [item.data for item in again.attachments] == [b"deep down"]
    assert names(outer) == ["attachment.eml"]


def test_inline_images_signatures_and_unknown_formats_are_skipped_with_a_reason() -> None:
    mail = message(("data.bin", OCTETS, b"\x00\x01"), ("photo.png", "image/png", b"\x89PNG"))
    mail.add_attachment(
        b"\x89PNG", maintype="image", subtype="png", filename="logo.png", disposition="inline"
    )
    mail.add_attachment(b"sig", maintype="application", subtype="pgp-signature", filename="s.asc")
    parsed = parse(mail)
    assert parsed.attachments == ()
    assert parsed.metadata[SKIPPED].split("; ") == [
        f"data.bin: no parser for {OCTETS}",
        "photo.png: no parser for image/png",
        "logo.png: inline image",
        "s.asc: signature",
    ]
    assert "Attachments: data.bin, photo.png, s.asc" in parsed.text


def test_images_of_a_page_and_files_below_another_form_of_it() -> None:
    """As Apple's Mail writes it: the file is a part of the second alternative."""
    mail = message(text="Plain.")
    mail.add_alternative("<p>Rich.</p><img src='cid:a'>", subtype="html")
    page = mail.get_payload()[1]
    page.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<a>")
    page.add_related(b"%PDF-1", maintype="application", subtype="pdf", filename="in.pdf",
                     disposition="inline")  # fmt: skip
    parsed = parse(mail)
    assert [item.name for item in parsed.attachments] == ["in.pdf"]
    assert parsed.metadata[SKIPPED] == "image/png: inline image"
    assert "Rich." in parsed.text
    assert "Plain." not in parsed.text


def test_a_text_in_another_encoding() -> None:
    mail = MIMEMultipart()
    mail["From"] = "a@b.c"
    mail.attach(MIMEText("Hello.", "plain", "utf-8"))
    for name, charset in (("a.txt", "iso-8859-2"), ("b.csv", "utf-8"), ("c.txt", "x-unknown")):
        part = MIMEText("", "csv" if name.endswith("csv") else "plain")
        part.set_payload("Łódź".encode("utf-8" if charset == "x-unknown" else charset))
        part.set_param("charset", charset)
        part.add_header("Content-Disposition", "attachment", filename=name)
        mail.attach(part)
    found = parse(mail.as_bytes()).attachments
    assert [item.data.decode("utf-8-sig") for item in found] == ["Łódź"] * 3
    assert [item.media_type for item in found] == [TEXT, CSV, TEXT]


def test_a_message_that_is_a_file() -> None:
    head = b"From: fax@example.org\nSubject: Fax\nContent-Type: application/pdf\n"
    assert names(head + b"\n%PDF-1.4") == ["attachment.pdf"]


def test_base64_that_breaks_off() -> None:
    head = b"From: a\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64"
    whole = base64.b64encode(b"%PDF-1.4 and more")
    for left in range(len(whole)):
        (found,) = parse(head + b"\n\n" + whole[: len(whole) - left]).attachments
        assert b"%PDF-1.4 and more".startswith(found.data)
        assert len(found.data) >= (len(whole) - left - 3) // 4 * 3 - 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("Übersicht ☂.txt", "Übersicht ☂.txt"),
        (f"{'n' * 500}.txt", f"{'n' * (MAX_NAME_CHARS - 4)}.txt"),
        (f"a.{'t' * 500}", f".{'t' * (MAX_NAME_CHARS - 1)}"),
    ],
)
def test_names(given: str, kept: str) -> None:
    assert names(message((given, TEXT, b"words"))) == [kept]


def test_messages_within_each_other() -> None:
    data, seen = nested(40).as_bytes(), 0
    while found := parse(data).attachments:
        data, seen = found[0].data, seen + 1
    assert seen == 40


@given(
    st.lists(
        st.tuples(
            st.text(
                st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30
            ),
            st.binary(max_size=300),
        ),
        max_size=5,
    )
)
def test_whatever_is_attached_comes_out_as_it_was(files: list[tuple[str, bytes]]) -> None:
    mail = message(*((f"{name}.pdf", PDF, data) for name, data in files))
    found = parse(mail).attachments
    assert [item.data for item in found] == [data for _, data in files]
    assert all(isinstance(item, Attachment) for item in found)
    assert all(item.name and "/" not in item.name for item in found)
    assert all(PurePath(item.name).name == item.name for item in found if item.name != "..")


@pytest.mark.skipif(not DOCS.exists(), reason="the real files are not here")
def test_real_messages() -> None:
    folder = DOCS / "kreuzberg"
    found = {path.name: parse(path.read_bytes()) for path in folder.glob("*.eml")}
    (pdf,) = found["mailgun_pdf_attachment.eml"].attachments
    assert pdf.media_type == PDF
    assert pdf.data.startswith(b"%PDF-")
    assert "no parser for image/png" in found["thunderbird_png_attachment.eml"].metadata[SKIPPED]
    assert found["plain_text_only.eml"].attachments == ()
