"""The URI of a place in a store: `s3://bucket/prefix`, `file:///srv/docs`, …"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from smartypants.errors import InvalidRequest

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/.*)?", re.DOTALL)
# The usual form of a Data Lake URI, container@account.dfs.core.windows.net, holds no secret.
_AZURE = re.compile(r"[a-z0-9$-]+@[a-z0-9]+\.(dfs|blob)\.[a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """`path` is decoded, without slashes at its ends; `uri` is the one way to write it."""

    scheme: str
    authority: str
    path: str

    @property
    def uri(self) -> str:
        path = f"/{quote(os.fsencode(self.path))}" if self.path or self.scheme == "file" else ""
        return f"{self.scheme}://{self.authority}{path}"

    def below(self, key: str) -> Address:
        path = f"{self.path}/{key}" if self.path else key
        return Address(self.scheme, self.authority, path)


def parse(uri: str) -> Address:
    """Raises `InvalidRequest` for what is no URI, and for one that carries credentials."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise InvalidRequest(f"{redacted(uri)!r} is no URI.", "Write it like s3://bucket/prefix.")
    scheme, authority, path = match[1].lower(), match[2], match[3] or ""
    if "@" in authority and not (scheme in ("abfs", "abfss", "az") and _AZURE.fullmatch(authority)):
        raise InvalidRequest(
            f"{redacted(uri)} carries credentials.",
            f"Leave them out; name them by reference in storage.{scheme} of the settings.",
        )
    if any(mark in authority + path for mark in "?#"):
        raise InvalidRequest(
            f"{redacted(uri)} has a ? or #.",
            "Options belong in the settings; in a name write %3F or %23.",
        )
    if (scheme == "file") == bool(authority.removeprefix("localhost")):
        raise InvalidRequest(
            f"{uri!r} lacks a bucket, or has a host it can't have.",
            "Write s3://bucket/prefix, or file:///path.",
        )
    decoded = os.fsdecode(unquote_to_bytes(path)).strip("/")
    if "\x00" in decoded or any(part in ("", ".", "..") for part in decoded.split("/") if decoded):
        raise InvalidRequest(f"{uri!r} has an empty part, a dot or two.", "Write the plain path.")
    return Address(scheme, "" if scheme == "file" else authority, decoded)


def redacted(uri: str) -> str:
    """The URI without what may be a secret, for messages."""
    return re.sub(r"[?#].*", "?***", re.sub(r"[^/]*@", "***@", uri), flags=re.DOTALL)
