"""References to secrets."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from smartypants.credentials import Credential, Reference, is_reference, resolve, scrub
from smartypants.errors import SetupError


@pytest.mark.parametrize("text", ["env:NAME", "env:_a1", "file:/run/secrets/key", "file:/a b"])
def test_references(text: str) -> None:
    assert is_reference(text)
    assert TypeAdapter(Reference).validate_python(text) == text


@pytest.mark.parametrize("text", ["TOPSECRET", "env:", "env:A B", "env:1", "file:relative", ""])
def test_what_is_no_reference_is_not_repeated(text: str) -> None:
    assert not is_reference(text)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Reference).validate_python(text)
    assert "env:NAME or file:/absolute/path" in caught.value.errors()[0]["msg"]


def test_secret_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "one")
    (tmp_path / "key").write_text("two\n")
    assert resolve("env:TEST_SECRET") == "one"
    assert resolve(f"file:{tmp_path}/key") == "two"


def test_error_names_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "  ")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"TOPSECRET\xff")
    with pytest.raises(SetupError, match="variable TEST_SECRET is not set, or empty"):
        resolve("env:TEST_SECRET")
    for name, reason in (("empty", "empty"), ("none", "No such file"), ("binary", "not a text")):
        with pytest.raises(SetupError, match=f"{name} can't be used: {reason}") as caught:
            resolve(f"file:{tmp_path}/{name}")
        assert "TOPSECRET" not in str(caught.value)


def test_credential_is_looked_up_on_each_use(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("one\n")
    credential = Credential(f"file:{tmp_path}/key")
    assert credential.given == ()
    assert credential.reveal() == "one"
    (tmp_path / "key").write_text("two\n")
    assert credential.reveal() == "two"
    assert credential.given == ("one", "two")


def test_credential_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "TOPSECRET")
    credential = Credential("env:TEST_SECRET")
    credential.reveal()
    assert repr(credential) == "Credential('env:TEST_SECRET')"
    pickled = pickle.dumps(credential)
    assert b"TOPSECRET" not in pickled
    assert pickle.loads(pickled).reveal() == "TOPSECRET"
    with pytest.raises(ValueError, match="reference") as caught:
        Credential("TOPSECRET")
    assert "TOPSECRET" not in str(caught.value)


def test_credential_remembers_few(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = Credential("env:TEST_SECRET")
    for number in range(100):
        monkeypatch.setenv("TEST_SECRET", f"secret-{number}")
        credential.reveal()
    assert len(credential.given) == 8
    assert credential.given[-1] == "secret-99"


def test_scrub() -> None:
    text = "GET http://h/c?sv=1&sig=a%2Fb&x=1 with KEYS and KEY, X-Amz-Signature=ff"
    shown = scrub(text, ("KEY", "KEYS"))
    assert shown == "GET http://h/c?sv=1&sig=***&x=1 with *** and ***, X-Amz-Signature=***"
