"""A folder, or one file, of the machine that runs the ingest program."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from smartypants.connectors._names import hidden, indexable
from smartypants.errors import DocumentUnreadable, InvalidRequest
from smartypants.media_types import by_name
from smartypants.types import DocumentRef, stable_id


class FilesystemConnector:
    """Lists the regular files below a path that is absolute, in a fixed order.

    Hidden files and files with an extension of no known format are left out, unless the path
    names that very file. Links to folders are not followed, and links to files only within the
    path: who may write there could otherwise have any file read that we may read.

    >>> connector = FilesystemConnector(collection="default", path="/srv/handbook")
    """

    def __init__(self, *, collection: str, path: str) -> None:
        self.root = Path(path)
        if not self.root.is_absolute() or "\x00" in path:
            raise InvalidRequest(f"{path!r} is not an absolute path.", "Give the whole path.")
        self.uri = self.root.as_uri()
        self.source_id = stable_id(collection, self.uri)

    def discover(self) -> Iterator[DocumentRef]:
        """Raises `InvalidRequest` if the path, or a folder below it, can't be listed."""
        try:
            if self.root.is_file():
                yield self._ref(self.root)
                return
            for folder, folders, files in os.walk(self.root, onerror=_raise):
                folders[:] = sorted(name for name in folders if not hidden(name))
                for name in sorted(files):
                    path = Path(folder, name)
                    if not indexable(name) or (path.is_symlink() and not self._inside(path)):
                        continue
                    try:
                        yield self._ref(path)
                    except OSError as exc:
                        if exc.errno not in (errno.ENOENT, errno.ELOOP):
                            raise
                        continue  # a broken link, or vanished while we listed: as if never there
        except OSError as exc:
            raise InvalidRequest(
                f"{exc.filename or self.root} can't be listed: {exc.strerror}.",
                "Check the path and its permissions.",
            ) from exc

    def fetch(self, ref: DocumentRef) -> bytes:
        """Raises `DocumentUnreadable` if the file has gone, or can't be opened."""
        path = os.fsdecode(unquote_to_bytes(urlsplit(ref.uri).path))
        if not self._inside(Path(path)):  # by now, or by a reference of somebody else's
            raise DocumentUnreadable(f"{ref.name} is not below {self.root}.")
        try:
            with open(path, "rb", opener=_open_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise DocumentUnreadable(f"{ref.name} is not a regular file.")
                return file.read()
        except OSError as exc:
            raise DocumentUnreadable(
                f"{ref.name} can't be read: {exc.strerror}.", "Check that it is still there."
            ) from exc

    def _inside(self, path: Path) -> bool:
        root = os.path.realpath(self.root)
        return Path(os.path.realpath(path)).is_relative_to(root)

    def _ref(self, path: Path) -> DocumentRef:
        info = path.stat()
        relative = path.name if path == self.root else str(path.relative_to(self.root))
        name = os.fsencode(relative).decode("utf-8", "replace")
        return DocumentRef(
            source_id=self.source_id,
            uri=path.as_uri(),
            name=name,
            etag=f"{info.st_mtime_ns}-{info.st_size}",
            size=info.st_size,
            media_type=by_name(path.name),
        )


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # opening a pipe would wait for its writer


def _raise(error: OSError) -> None:
    raise error


PLUGIN = FilesystemConnector
