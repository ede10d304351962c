"""Blobs below a URI, through `pyarrow.fs`: a local folder now, buckets by the same means."""

from __future__ import annotations

import uuid

import pyarrow.fs as fs

from smartypants.errors import NotFound, SetupError, Unavailable


class ArrowBlobStore:
    """Keeps each key as one file below the URI.

    >>> blobs = ArrowBlobStore(uri="file:///var/lib/smartypants/blobs")
    >>> blobs.put("raw/1f…/v1", b"…")
    """

    def __init__(self, *, uri: str) -> None:
        try:
            self._fs, self._root = fs.FileSystem.from_uri(uri)
        except (ValueError, OSError) as exc:
            raise SetupError(f"{uri} can't be a blob store: {exc}", "Check blobs.uri.") from exc
        self._local = isinstance(self._fs, fs.LocalFileSystem)

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        try:
            if not self._local:  # object stores show a whole object or none
                with self._fs.open_output_stream(path) as stream:
                    stream.write(data)
                return
            self._fs.create_dir(path.rsplit("/", 1)[0], recursive=True)
            part = f"{path}.{uuid.uuid4().hex}.part"
            with self._fs.open_output_stream(part) as stream:
                stream.write(data)
            self._fs.move(part, path)
        except OSError as exc:
            raise Unavailable(f"Blob {key} can't be written: {exc}", "Check blobs.uri.") from exc

    def get(self, key: str) -> bytes:
        try:
            with self._fs.open_input_file(self._path(key)) as stream:
                data: bytes = stream.read()
                return data
        except FileNotFoundError as exc:
            raise NotFound(f"There is no blob {key}.") from exc
        except OSError as exc:
            raise Unavailable(f"Blob {key} can't be read: {exc}", "Check blobs.uri.") from exc

    def delete(self, prefix: str) -> None:
        path = self._path(prefix)
        try:
            kind = self._fs.get_file_info(path).type
            if kind == fs.FileType.Directory:
                self._fs.delete_dir(path)
            elif kind == fs.FileType.File:
                self._fs.delete_file(path)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise Unavailable(f"{prefix} can't be deleted: {exc}", "Check blobs.uri.") from exc

    def _path(self, key: str) -> str:
        if not key or any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"bad blob key {key!r}")
        return f"{self._root}/{key}"


PLUGIN = ArrowBlobStore
