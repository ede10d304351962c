"""`file:///path`: folders of this machine, or of a mount that all nodes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartypants.protocols import Commit

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


class FileStorage:
    """Has no settings."""

    commit: Commit = "move"

    def open(self, authority: str, path: str) -> tuple[FileSystem, str]:
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), f"/{path}"


PLUGIN = FileStorage
