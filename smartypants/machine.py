"""Which machine this is: embedded parts belong to the one that the settings were loaded on."""

from __future__ import annotations

import hashlib
import socket
import uuid
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from smartypants.errors import SetupError, Unavailable


@cache
def identity() -> str:
    """The host's name and its boot, so that two containers on one host are two machines."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = f"{uuid.getnode():x}"
    return f"{socket.gethostname()} ({boot})"


def name_of(machine: str) -> str:
    """The host's name in an identity."""
    return machine.partition(" ")[0]


def folder_of(uri: str) -> Path:
    """The folder of a `file:` URI."""
    return Path(unquote(urlsplit(uri).path))


def mark_shared(folder: Path, machine: str) -> None:
    """Leave a mark of this machine in a folder that all are to share."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _mark(folder, machine).touch()
    except OSError as exc:
        raise Unavailable(f"{folder} can't be written: {exc.strerror}.", "Mount it here.") from exc


def check_shared(folder: Path, machine: str) -> None:
    """Raises `SetupError` if the folder is another one than that machine's of the same path."""
    if not _mark(folder, machine).exists():
        raise SetupError(
            f"{folder} on {name_of(identity())} is not the folder of that path on "
            f"{name_of(machine)}.",
            "Mount one shared folder there on every machine, or set blobs.uri to a bucket.",
        )


def _mark(folder: Path, machine: str) -> Path:
    return folder / f".machine-{hashlib.blake2b(machine.encode(), digest_size=8).hexdigest()}"
