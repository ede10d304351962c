"""What comes from outside and names something to fetch, to open, to unpack or to send on."""

from __future__ import annotations

import gzip
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from smartypants import storage
from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.connectors.objects import ObjectsConnector
from smartypants.errors import DocumentError, ExportInvalid, InvalidRequest, PluginNotFound
from smartypants.media_types import DOCX, EMAIL, EPUB, HTML, PPTX, XLSX
from smartypants.parsing import load_parsers
from smartypants.transfer import tables
from tests.api.conftest import *  # noqa: F403 - an app over a real ledger
from tests.parsers import samples

PARSERS = load_parsers()
SECRET = "the-file-of-somebody-else"


@pytest.fixture
def bait() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server that notes who asks it for what."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SECRET.encode())

        do_HEAD = do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def repacked(data: bytes, change: dict[str, bytes]) -> bytes:
    """An archive with members exchanged or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change.pop(name, None) or old.read(name))
        for name, content in change.items():
            new.writestr(name, content)
    return out.getvalue()


def page(url: str) -> bytes:
    return (
        f'<html><head><base href="{url}/"><meta http-equiv="refresh" content="0;url={url}/m">'
        f'<link rel="stylesheet" href="{url}/css"><script src="{url}/js"></script></head><body>'
        f'<p>Words.</p><img src="{url}/img"><iframe src="{url}/frame"></iframe>'
        f'<object data="{url}/o"></object><svg><image href="{url}/svg"/></svg></body></html>'
    ).encode()


def doctype(url: str) -> str:
    return f'<?xml version="1.0"?><!DOCTYPE r SYSTEM "{url}/dtd">'


def hostile(kind: str, url: str) -> bytes:
    """A document that asks its reader to fetch something."""
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    external = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        f'relationships"><Relationship Id="rId90" Type="{relation}/image" Target="{url}/img" '
        f'TargetMode="External"/><Relationship Id="rId91" Type="{relation}/attachedTemplate" '
        f'Target="{url}/template" TargetMode="External"/></Relationships>'
    ).encode()
    if kind == HTML:
        return page(url)
    if kind == EMAIL:
        head = "Subject: x\nMIME-Version: 1.0\nContent-Type: text/html\n"
        body = f'Content-Location: {url}/l\nX-Confirm: {url}/r\n\n<img src="{url}/i"><p>Words.</p>'
        return (head + body).encode()
    if kind == EPUB:
        chapter = page(url).decode()
        return samples.epub({"one.xhtml": chapter, "two.xhtml": doctype(url) + "<r>Words.</r>"})
    if kind == DOCX:
        drawing = (
            f'<w:p><w:r><w:drawing><a:blip xmlns:a="a" xmlns:r="{relation}" r:link="rId90"/>'
            "</w:drawing></w:r></w:p>"
        )
        data = samples.docx(samples.paragraph("Words.") + drawing)
        return repacked(data, {"word/_rels/document.xml.rels": external})
    if kind == PPTX:
        return repacked(samples.sample_pptx(), {"ppt/slides/_rels/extra.xml.rels": external})
    assert kind == XLSX
    return repacked(samples.sample_xlsx(), {"xl/externalLinks/_rels/l.xml.rels": external})


@pytest.mark.parametrize("kind", [HTML, EMAIL, EPUB, DOCX, PPTX, XLSX])
def test_documents_fetch_nothing(kind: str, bait: tuple[str, list[str]], tmp_path: Path) -> None:
    url, asked = bait
    (tmp_path / "img").write_text(SECRET)
    for target in (url, tmp_path.as_uri(), f"//{url.removeprefix('http://')}"):
        parsed = PARSERS[kind].parse(hostile(kind, target), name="x", media_type=kind)
        assert parsed.text
        assert SECRET not in parsed.text
    assert asked == []


@pytest.mark.parametrize("member", ["word/document.xml", "docProps/core.xml"])
@pytest.mark.parametrize("target", ["http", "file"])
def test_external_entities(
    member: str, target: str, bait: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, asked = bait
    (tmp_path / "secret").write_text(SECRET)
    system = f"{url}/e" if target == "http" else (tmp_path / "secret").as_uri()
    body = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e SYSTEM "{system}">]><r>&e;</r>'.encode()
    data = repacked(samples.sample_docx(), {member: body})
    with pytest.raises(DocumentError):
        PARSERS[DOCX].parse(data, name="x", media_type=DOCX)
    assert asked == []


def test_entities_of_members_with_other_names() -> None:
    """A book may keep its package anywhere: what its container names is read."""
    laughs = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><package>&b;</package>'
    for name in ("OEBPS/book", "OEBPS/book.opf"):
        container = f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
        change = {"META-INF/container.xml": container.encode(), name: laughs.encode()}
        with pytest.raises(DocumentError, match="declares XML entities"):
            PARSERS[EPUB].parse(
                repacked(samples.epub({"one.xhtml": "Words."}), change), name="x", media_type=EPUB
            )


def test_book_reads_its_own_members_only(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text(f"<p>{SECRET}</p>")
    book = samples.epub({"one.xhtml": "<p>Words.</p>"})
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        package = next(name for name in archive.namelist() if name.endswith(".opf"))
        listing = archive.read(package).decode()
    for path in (f"{'../' * 20}{tmp_path}/secret.xhtml", f"{tmp_path}/secret.xhtml"):
        changed = listing.replace("one.xhtml", path).encode()
        text = ""
        try:
            data = repacked(book, {package: changed})
            text = PARSERS[EPUB].parse(data, name="x", media_type=EPUB).text
        except DocumentError:
            pass
        assert SECRET not in text


@pytest.mark.parametrize(
    "uri",
    ["http://169.254.169.254/latest", "https://intranet/x", "gopher://127.0.0.1:6379/_X",
     "ftp://host/x", "dict://h/x", "jar:http://h!/x://y/z", "data://text/plain"],
)  # fmt: skip
def test_sources_have_no_scheme_that_fetches_urls(uri: str) -> None:
    with pytest.raises((PluginNotFound, InvalidRequest)):
        storage.source(uri)


@pytest.mark.parametrize(
    "uri",
    ["s3://b/../x", "s3://b/a/%2e%2e/x", "s3://b/a%2f..%2fx", "file:///srv/../etc", "file://host/x",
     "s3://b/a\0b", "s3://b/x?endpoint_override=127.0.0.1:1", "s3://user:pw@b/x",
     "s3://127.0.0.1:80@b/x", "s3:///x"],
)  # fmt: skip
def test_sources_stay_where_they_say(uri: str) -> None:
    with pytest.raises(InvalidRequest):
        ObjectsConnector(collection="c", uri=uri)


@pytest.mark.parametrize("key", ["../x", "raw/../../x", "/etc/passwd", "raw/./x", "raw//x"])
def test_blob_keys_stay_inside(key: str, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    blobs = ArrowBlobStore(uri=(tmp_path / "blobs").as_uri())
    with pytest.raises(ValueError, match="key"):
        blobs.put(key, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["blobs"]


# --- over HTTP --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../etc/cron.d/x.md", "a/../../x.md", "..\\..\\x.md"])
def test_upload_names_lead_nowhere(client: TestClient, name: str) -> None:
    files = [("files", (name, b"words", "text/markdown"))]
    assert client.post("/v1/documents", files=files).status_code == 422


def test_uploads_are_kept_by_their_id(client: TestClient, tmp_path: Path) -> None:
    files = [("files", ("etc/passwd.md", b"words", "text/markdown"))]
    assert client.post("/v1/documents", files=files).status_code == 202
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and "raw" in path.parts]
    assert kept
    assert all("passwd" not in str(path) for path in kept)


@pytest.mark.parametrize(
    "disposition",
    ["filename*=UTF-8''..%2F..%2Fx.md", "filename*=UTF-8''a%0D%0AX-Evil:1", 'filename=".."'],
)  # fmt: skip
def test_file_names_in_content_disposition(client: TestClient, disposition: str) -> None:
    body = (
        '--B\r\nContent-Disposition: form-data; name="files"; '
        f"{disposition}\r\nContent-Type: text/markdown\r\n\r\nwords\r\n--B--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    response = client.post("/v1/documents", content=body.encode(), headers=headers)
    assert response.status_code in (400, 422)
    assert "x-evil" not in response.headers


@pytest.mark.parametrize("sent", ["a\r\nX-Evil: 1", "a\nb", "a b", "é"])
def test_request_id_can_not_add_a_header(client: TestClient, sent: str) -> None:
    response = client.get("/healthz", headers={"X-Request-Id": sent.encode()})
    assert "x-evil" not in response.headers
    assert response.headers["x-request-id"] != sent


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_compressed_bodies_are_not_unpacked(client: TestClient, encoding: str) -> None:
    bomb = gzip.compress(json.dumps({"query": "x" * 5_000_000}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    assert client.post("/v1/search", content=bomb, headers=headers).status_code == 400


# --- imports ----------------------------------------------------------------------------------


def test_parquet_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_EXPANDED_BYTES", 10**6)
    schema = pa.schema([("text", pa.string())])
    rows = pa.table({"text": [f"{'x' * 1_000}{n}" for n in range(3_000)]}, schema=schema)
    out = io.BytesIO()
    pq.write_table(rows, out, compression="zstd", use_dictionary=False)
    assert len(out.getvalue()) < 10**6
    with pytest.raises(ExportInvalid, match="unpacks"):
        tables.read("texts-00000.parquet", out.getvalue(), schema)
