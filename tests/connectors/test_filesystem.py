"""A folder of the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.errors import DocumentUnreadable, InvalidRequest
from smartypants.testing import ConnectorContract
from smartypants.types import DocumentRef

NAMES = ["a.md", "b c.txt", "deep/er/d.pdf", "deep/ü#?%41.html", "z;x=1.csv", "line\nfeed.txt"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode() * 3)
    return root


@pytest.fixture
def connector(folder: Path) -> FilesystemConnector:
    return FilesystemConnector(collection="docs", path=str(folder))


@pytest.fixture
def known(connector: FilesystemConnector) -> Sequence[tuple[DocumentRef, bytes]]:
    return [(ref, ref.name.encode() * 3) for ref in connector.discover()]


class TestContract(ConnectorContract):
    pass


def names(connector: FilesystemConnector) -> list[str]:
    return [ref.name for ref in connector.discover()]


def test_lists_every_file_of_a_known_format(connector: FilesystemConnector, folder: Path) -> None:
    for extra in ("x.exe", "noext", ".hidden.md", ".git/config.md", "deep/.cache/x.md"):
        (folder / extra).parent.mkdir(parents=True, exist_ok=True)
        (folder / extra).write_text("x")
    assert sorted(names(connector)) == sorted(NAMES)


def test_order_is_fixed(connector: FilesystemConnector) -> None:
    assert names(connector)[:2] == ["a.md", "b c.txt"]


def test_one_file_whatever_its_name(folder: Path) -> None:
    (folder / ".notes").write_text("x")
    connector = FilesystemConnector(collection="docs", path=str(folder / ".notes"))
    (ref,) = connector.discover()
    assert (ref.name, ref.size, ref.media_type) == (".notes", 1, None)
    assert connector.fetch(ref) == b"x"


def test_etag_follows_the_file(connector: FilesystemConnector, folder: Path) -> None:
    before = {ref.name: ref.etag for ref in connector.discover()}
    os.utime(folder / "a.md", ns=(1, 1))
    after = {ref.name: ref.etag for ref in connector.discover()}
    assert {name for name in before if before[name] != after[name]} == {"a.md"}


def test_source_belongs_to_its_collection(folder: Path) -> None:
    ids = {FilesystemConnector(collection=c, path=str(folder)).source_id for c in ("a", "b", "a")}
    assert len(ids) == 2


def test_name_that_is_not_utf8(folder: Path, connector: FilesystemConnector) -> None:
    path = os.fsencode(folder) + b"/\xff\xfe.txt"
    with open(path, "wb") as file:
        file.write(b"bytes")
    (ref,) = [ref for ref in connector.discover() if "\ufffd" in ref.name]
    ref.uri.encode()
    assert connector.fetch(ref) == b"bytes"


def test_links(folder: Path, connector: FilesystemConnector, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.md").write_text("x")
    (folder / "broken.md").symlink_to(folder / "nothing.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "outside").symlink_to(tmp_path / "outside")
    (folder / "again").symlink_to(folder)
    (folder / "stolen.md").symlink_to(tmp_path / "outside" / "o.md")
    (folder / "link.md").symlink_to(folder / sorted(NAMES)[0])
    assert sorted(names(connector)) == sorted([*NAMES, "link.md"])


def test_link_that_leads_out_by_the_time_of_reading(
    folder: Path, connector: FilesystemConnector, tmp_path: Path
) -> None:
    (tmp_path / "o.md").write_text("secret")
    ref = next(iter(connector.discover()))
    path = folder / ref.name
    path.unlink()
    path.symlink_to(tmp_path / "o.md")
    with pytest.raises(DocumentUnreadable, match="not below"):
        connector.fetch(ref)
    with pytest.raises(DocumentUnreadable, match="not below"):
        connector.fetch(replace(ref, uri=f"{folder.as_uri()}/../o.md"))


@pytest.mark.parametrize("path", ["relative", "", "./x", "~/x", "file:///x", "/tmp/a\0b"])
def test_path_that_is_not_absolute(path: str) -> None:
    with pytest.raises(InvalidRequest, match="absolute"):
        FilesystemConnector(collection="docs", path=path)


@pytest.mark.parametrize("name", ["nothing", "x" * 300, "a.md/below"])
def test_path_that_can_not_be_listed(folder: Path, name: str) -> None:
    connector = FilesystemConnector(collection="docs", path=str(folder / name))
    with pytest.raises(InvalidRequest, match="can't be listed"):
        list(connector.discover())


def test_pipe_does_not_block(folder: Path, connector: FilesystemConnector) -> None:
    os.mkfifo(folder / "pipe.txt")
    (ref,) = [ref for ref in connector.discover() if ref.name == "pipe.txt"]
    with pytest.raises(DocumentUnreadable, match="not a regular file"):
        connector.fetch(ref)


def test_folder_where_a_file_was(folder: Path, connector: FilesystemConnector) -> None:
    ref = next(iter(connector.discover()))
    (folder / "a.md").unlink()
    (folder / "a.md").mkdir()
    with pytest.raises(DocumentUnreadable, match=r"a\.md can't be read"):
        connector.fetch(ref)
