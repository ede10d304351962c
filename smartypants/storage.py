"""Opens the place that a URI names: one mechanism for sources and blobs, whatever the store.

The scheme chooses a plugin of the kind `storages`, `settings.storage` its options. All speak
`pyarrow.fs`; added here are time limits, typed errors, and that secrets never leave.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from smartypants import registry
from smartypants.addresses import Address, parse
from smartypants.credentials import is_reference, resolve, scrub
from smartypants.errors import SmartyPantsError, StorageUnavailable
from smartypants.options.storage import ALIASES, StorageSettings
from smartypants.protocols import Commit, Storage
from smartypants.stalls import within
from smartypants.storage_errors import mapped

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

T = TypeVar("T")
Progress = Callable[[], None]

PIECE = 8 * 2**20
"""Bytes that are read or written between two signs of progress."""

REOPEN_AFTER_S = 45 * 60.0
"""Tokens live for an hour, and secrets change: look at the references again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or object; `key` is its path below the place listed, empty for the place itself."""

    key: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Opened:
    filesystem: FileSystem
    root: str
    commit: Commit
    opened_at: float

    def path(self, key: str) -> str:
        return f"{self.root}/{key}" if key else self.root


class Place:
    """What is below a URI. It travels as URI and settings, and is opened where it is used.

    >>> place = Place("s3://bucket/prefix", settings.storage)
    >>> place.write("a/b", b"…")

    Each method raises `NotFound`, `StorageDenied`, `StorageUnavailable` (trying again may help)
    or `SetupError` (a credential is missing); none of them repeats a secret.
    """

    def __init__(self, uri: str, settings: StorageSettings) -> None:
        """Raises `InvalidRequest` for a bad URI, `PluginNotFound` for an unknown scheme."""
        self.address = parse(uri)
        self.local = self.address.scheme == "file"
        self._settings = settings
        self._plugin = _plugin(self.address)
        self._opened: Opened | None = None
        self._secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Place({self.address.uri!r})"

    def __reduce__(self) -> tuple[type[Place], tuple[str, StorageSettings]]:
        return Place, (self.address.uri, self._settings)

    def read(self, key: str) -> bytes:
        def call(opened: Opened, progress: Progress) -> bytes:
            with opened.filesystem.open_input_file(opened.path(key)) as stream:
                pieces = []
                while piece := stream.read(PIECE):
                    pieces.append(piece)
                    progress()
                return b"".join(pieces)

        return self._run(call, key, doing="read")

    def write(self, key: str, data: bytes) -> None:
        """A reader sees nothing of it or everything."""

        def call(opened: Opened, progress: Progress) -> None:
            filesystem, path = opened.filesystem, opened.path(key)
            if opened.commit == "close":
                _write(filesystem, path, data, progress)
                return
            part = f"{path}.{uuid.uuid4().hex}.part"
            if opened.commit == "move":
                filesystem.create_dir(path.rsplit("/", 1)[0], recursive=True)
            _write(filesystem, part, data, progress)
            if opened.commit == "move":
                filesystem.move(part, path)
            else:
                filesystem.copy_file(part, path)
                progress()
                filesystem.delete_file(part)

        self._run(call, key, doing="written")

    def delete(self, key: str) -> None:
        """Remove the object of this key and all below `key/`; idempotent."""
        from pyarrow.fs import FileType

        def call(opened: Opened, progress: Progress) -> None:
            for _ in range(3):  # an object and a prefix can have one name
                kind = opened.filesystem.get_file_info(opened.path(key)).type
                if kind == FileType.NotFound:
                    return
                remove = (
                    opened.filesystem.delete_file
                    if kind == FileType.File
                    else opened.filesystem.delete_dir
                )
                # Somebody else was quicker, or the prefix had no marker of its own.
                with suppress(FileNotFoundError):
                    remove(opened.path(key))
                progress()
            raise OSError("it came back each time")

        self._run(call, key, doing="deleted")

    def entries(self) -> list[Entry]:
        """Everything below, in the order of the keys; or an error, never a part of it."""
        from pyarrow.fs import FileSelector, FileType

        def call(opened: Opened, progress: Progress) -> list[Entry]:
            top = opened.filesystem.get_file_info(opened.root)
            if top.type == FileType.File:
                return [Entry("", top.size, top.mtime_ns)]
            infos = opened.filesystem.get_file_info(FileSelector(opened.root, recursive=True))
            start = len(opened.root) + 1
            return sorted(
                (
                    Entry(info.path[start:], info.size, info.mtime_ns)
                    for info in infos
                    if info.type == FileType.File
                ),
                key=lambda entry: entry.key,
            )

        return self._run(call, "", doing="listed", limit="listing_timeout_s")

    def _run(
        self,
        call: Callable[[Opened, Progress], T],
        key: str,
        *,
        doing: str,
        limit: str = "timeout_s",
    ) -> T:
        options = self._settings.options_for(self.address)
        seconds = float(options.get(limit) or 60.0)
        try:
            if self.local:
                return call(self._open(options), lambda: None)
            return within(seconds, lambda progress: call(self._open(options), progress))
        except SmartyPantsError:
            raise
        except (OSError, ValueError, NotImplementedError) as exc:
            detail = scrub(str(exc), self._secrets)
            failure = mapped(exc, self.address.below(key), doing=doing, detail=detail)
        if isinstance(failure, StorageUnavailable):
            self._opened = None
        raise failure  # not from the client's error: its text can hold a signature

    def _open(self, options: dict[str, object]) -> Opened:
        opened = self._opened
        if opened is not None and time.monotonic() - opened.opened_at < REOPEN_AFTER_S:
            return opened
        secrets = {name: resolve(value) for name, value in options.items() if is_reference(value)}
        self._secrets = tuple(secrets.values())
        storage: Storage = self._plugin(**{**options, **secrets})
        filesystem, root = storage.open(self.address.authority, self.address.path)
        self._opened = Opened(filesystem, root, storage.commit, time.monotonic())
        return self._opened


def source(text: str) -> tuple[str, str]:
    """The connector's kind and URI for what a user calls a source: a path or a URI."""
    if "://" not in text:
        return "filesystem", text
    address = parse(text)
    if address.scheme == "file":
        return "filesystem", f"/{address.path}"
    _plugin(address)
    return "objects", address.uri


def _plugin(address: Address) -> type[Storage]:
    return registry.load("storages", ALIASES.get(address.scheme, address.scheme))


def _write(filesystem: FileSystem, path: str, data: bytes, progress: Progress) -> None:
    view = memoryview(data)
    with filesystem.open_output_stream(path) as stream:
        for start in range(0, len(data), PIECE):
            stream.write(view[start : start + PIECE])
            progress()
