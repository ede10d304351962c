"""URIs of places in stores."""

from __future__ import annotations

import pytest

from smartypants.addresses import Address, parse, redacted
from smartypants.errors import InvalidRequest


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("s3://bucket", Address("s3", "bucket", "")),
        ("S3://bucket/", Address("s3", "bucket", "")),
        ("gs://bucket/a b/ü%3F/", Address("gs", "bucket", "a b/ü?")),
        ("abfs://container/a", Address("abfs", "container", "a")),
        ("abfss://c@a.dfs.core.x/a", Address("abfss", "c@a.dfs.core.x", "a")),
        ("file:///srv/docs", Address("file", "", "srv/docs")),
        ("file://localhost/srv/docs", Address("file", "", "srv/docs")),
        ("file:///", Address("file", "", "")),
        ("acme+x://host:1/a", Address("acme+x", "host:1", "a")),
    ],
)  # fmt: skip
def test_parts(uri: str, address: Address) -> None:
    assert parse(uri) == address
    assert parse(address.uri) == address


@pytest.mark.parametrize("key", ["a", "a b/ü#?%41", "x\nfeed", "a+b&c=d;e", "\udcff\udcfe.txt"])
def test_any_key_comes_back(key: str) -> None:
    below = parse("s3://bucket/docs").below(key)
    assert parse(below.uri) == below
    assert below.path == f"docs/{key}"
    below.uri.encode("ascii")


@pytest.mark.parametrize(
    "uri",
    ["", "nothing", "/srv/docs", "s3:bucket", "s3://", "s3:///a", "file://host/a", "s3://b/a//b",
     "s3://b/../c", "s3://b/./c", "s3://b/a%2F..%2Fc", "s3://b/\x00", "://b/a", "1s3://b"],
)  # fmt: skip
def test_no_uri_of_a_place(uri: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(uri)


@pytest.mark.parametrize(
    "uri",
    ["s3://AKIA:TOPSECRET@bucket/a", "s3://TOPSECRET@bucket", "abfs://c:TOPSECRET@a.dfs.core.x/y",
     "abfs://TOPSECRET@x/y", "s3://b/a?secret_key=TOPSECRET", "gs://b/a#TOPSECRET",
     "https://c.blob.core.windows.net/x?sig=TOPSECRET", "user:TOPSECRET@host",
     "s3://a:TOP@TOPSECRET@b/c"],
)  # fmt: skip
def test_credentials_are_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(uri)
    assert "TOPSECRET" not in str(caught.value)
    assert "TOPSECRET" not in redacted(uri)
