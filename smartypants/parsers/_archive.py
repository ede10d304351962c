"""Opens the archives that Office documents and EPUBs are, and refuses the dangerous ones."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree
from xml.parsers import expat

from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.media_types import DAMAGED

MAX_EXPANDED_BYTES = 500 * 2**20
MAX_MEMBERS = 5_000
MAX_RATIO = 200
SMALL = 10 * 2**20
"""Members below this size may be packed as tightly as they like."""

_PIECE = 4_096


def open_archive(data: bytes, *, name: str) -> zipfile.ZipFile:
    """The archive, once its directory shows no bomb, no encryption and no XML entities.

    Raises `DocumentUnreadable` or `DocumentTooLarge`.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
        if any(member.flag_bits & 1 for member in members):
            raise DocumentUnreadable(f"{name} is encrypted.", "Remove its password first.")
        expanded = sum(member.file_size for member in members)
        if len(members) > MAX_MEMBERS or expanded > MAX_EXPANDED_BYTES:
            raise DocumentTooLarge(
                f"{name} unpacks to {len(members)} files and {expanded} bytes.",
                f"The limits are {MAX_MEMBERS} and {MAX_EXPANDED_BYTES}.",
            )
        for member in members:
            if member.file_size > max(SMALL, MAX_RATIO * member.compress_size):
                raise DocumentTooLarge(
                    f"{name} looks like a decompression bomb: {member.filename} unpacks "
                    f"{member.compress_size} bytes to {member.file_size}."
                )
            _refuse_entities(archive, member)  # any member can be XML: others name it
    except DAMAGED as exc:
        raise DocumentUnreadable(
            f"{name} is a damaged archive: {exc}.", "Save the document again."
        ) from exc
    return archive


def read_xml(archive: zipfile.ZipFile, member: str) -> ElementTree.Element:
    """The root of a member. Raises `KeyError` if it is not there, or `ElementTree.ParseError`."""
    return ElementTree.fromstring(archive.read(member))  # noqa: S314 - no member has entities


class _Declared(Exception):
    pass


class _Begun(Exception):
    pass


def _refuse_entities(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """In any encoding; read to the first element only. Raises `DocumentUnreadable`."""

    def declared(*_: object) -> None:
        raise _Declared

    def begun(*_: object) -> None:
        raise _Begun

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = declared
    parser.StartElementHandler = begun
    try:
        with archive.open(member) as stream:
            while piece := stream.read(_PIECE):
                parser.Parse(piece)
    except _Declared:
        raise DocumentUnreadable(
            f"{member.filename} declares XML entities.",
            "Save the document again with an office program.",
        ) from None
    except (_Begun, expat.ExpatError):
        pass  # what is no XML is for the parser to refuse
