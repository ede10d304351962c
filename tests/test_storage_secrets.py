"""Secrets stay where they are looked up: no log, error, repr or pickle shows them."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog

from smartypants import doctor, ingest_wiring, wiring
from smartypants.errors import SmartyPantsError
from smartypants.options.serving import LogSettings
from smartypants.settings import Settings
from smartypants.telemetry import configure_logs
from smartypants.types import DocumentRef
from tests.canaries import canary
from tests.servers import faults
from tests.servers.stores import ACCOUNT, options

SAS = f"sv=2024-08-04&ss=b&srt=co&sp=rl&se=2099-01-01&sig={canary('c2lnbmF0dXJlIG9mIHRlc3Q')}%3D"
FAULTS = {
    "absent": faults.absent,
    "denying": lambda: faults.answering(403),
    "failing": lambda: faults.answering(500),
}


@pytest.fixture
def _logs_as_before() -> object:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logs_as_before")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs", "sas"])
def test_failing_use_shows_no_secret(
    scheme: str,
    fault: str,
    secrets: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEST_SAS", SAS)
    configure_logs(LogSettings(level="debug"))
    log = structlog.get_logger("test")
    stream = io.StringIO()
    logging.getLogger().addHandler(handler := logging.StreamHandler(stream))
    shown: list[str] = []
    # Azure's client would go on for minutes: it is our limit that ends each of its calls.
    limit = 0.5 if scheme in ("abfs", "sas") and fault != "denying" else 1.5
    with FAULTS[fault]() as port:
        if scheme == "sas":
            sas = {"account": ACCOUNT, "account_key": None, "sas_token": "env:TEST_SAS"}
            section = options("abfs", port, **sas, timeout_s=limit, listing_timeout_s=limit)
        else:
            section = options(scheme, port, timeout_s=limit, listing_timeout_s=limit)
        uri = f"{'abfs' if scheme == 'sas' else scheme}://bucket/docs"
        settings = Settings(data_dir=tmp_path, blobs={"uri": uri}, storage=section)
        blobs = wiring.open_blobs(settings)
        connector = ingest_wiring.open_connector(
            settings, kind="objects", collection="docs", uri=uri, blobs=blobs
        )
        ref = DocumentRef(connector.source_id, f"{uri}/a.md", "a.md", "1-1", 1)
        calls = (
            lambda: list(connector.discover()),
            lambda: connector.fetch(ref),
            lambda: blobs.put("raw/a/v1", b"x"),
            lambda: blobs.delete("raw/a"),
        )
        for call in calls:
            try:
                call()
            except SmartyPantsError as exc:
                log.exception("failed", error=repr(exc), blobs=repr(blobs), place=repr(connector))
                shown += [str(exc), repr(exc), *traceback.format_exception(exc)]
                shown.append(pickle.dumps(exc).decode("latin-1"))
            else:
                pytest.fail("a failing store gave no error")
        shown += [check.detail + check.hint for check in doctor.examine(settings)]
    for value in (settings, blobs, connector):
        shown += [repr(value), str(value), pickle.dumps(value).decode("latin-1")]
    shown.append(settings.model_dump_json())
    logging.getLogger().removeHandler(handler)
    captured = capfd.readouterr()
    everything = "\n".join([*shown, stream.getvalue(), captured.out, captured.err])
    assert "can't be written" in captured.err
    values = [*secrets.values(), SAS, SAS.rpartition("sig=")[2]]
    for secret in values:
        assert secret not in everything
        assert quote(secret, safe="") not in everything
