"""The command `smartypants`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.cli_ingest import ingest
from deployments.cli_reindex import reindex
from smartypants import doctor as checks
from smartypants import runtime
from smartypants.auth.exposure import WARNING, check_exposure
from smartypants.cli import (
    access,
    audit,
    inspect,
    keys,
    ledger,
    prompts,
    query,
    recipe,
    safety,
    transfer,
    usage,
)
from smartypants.cli.jobs import jobs
from smartypants.cli.output import Json, err, out, print_json, reporting
from smartypants.cli.tune import tune
from smartypants.errors import SetupError
from smartypants.settings import Settings
from smartypants.telemetry import configure_logs

STOP_TIMEOUT_S = 90.0

app = typer.Typer(
    name="smartypants",
    help="Private, permission-aware search and cited answers over your documents.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(ingest)
app.command()(reindex)
app.command()(query.search)
app.command()(query.ask)
app.command()(jobs)
app.command()(transfer.export)
app.command("import")(transfer.import_)
app.command()(inspect.status)
app.command()(inspect.doctor)
app.command()(tune)
app.add_typer(recipe.app)
app.add_typer(safety.app)
app.add_typer(prompts.app)
app.add_typer(ledger.app)
app.add_typer(keys.app)
app.add_typer(access.users)
app.add_typer(access.groups)
app.add_typer(access.grants)
app.add_typer(audit.app)
app.command()(usage.usage)


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False,
    wait: Annotated[
        bool, typer.Option(help="With --detach: wait for the language model too.")
    ] = True,
    json: Json = False,
) -> None:
    """Start the system on this machine, and keep it up until Ctrl-C or `smartypants down`."""
    with reporting(json) as settings:
        check_exposure(settings)
        configure_logs(settings.log)
        if detach:
            return _detached(settings, wait=wait, as_json=json)
        from deployments.local import system, wait_until_ready

        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        started = time.monotonic()
        with system(settings) as url, err.status("Starting …") as spinner:
            wait_until_ready(url, lambda parts: _say(spinner, parts, stopped))
            spinner.stop()
            _announce(settings, url, time.monotonic() - started, as_json=json)
            stopped.wait()
            err.print("Stopping …")


@app.command()
def down(json: Json = False) -> None:
    """Stop the system that runs on this machine."""
    with reporting(json) as settings:
        here = runtime.running(settings)
        if here is not None:
            os.kill(here.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while runtime.running(settings) is not None or _alive(here.pid):
                if time.monotonic() > deadline:
                    raise SetupError(f"Process {here.pid} does not end.", "End it by hand.")
                time.sleep(0.2)
        if json:
            print_json({"stopped": here is not None})
        else:
            out.print("Stopped." if here else "Nothing was running.")


def _detached(settings: Settings, *, wait: bool, as_json: bool) -> None:
    from deployments.local import wait_until_ready

    here = runtime.running(settings)
    log = settings.data_dir.absolute() / "logs" / "up.log"
    before = log.stat().st_size if log.exists() else 0
    if here is None:
        checks.preflight(settings)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "deployments.cli", "up"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def check() -> None:
        alive = _alive(here.pid) if here is not None else child.poll() is None
        if not alive:
            raise SetupError(
                f"The system ended while it was starting. {_last_error(log, before)}",
                f"Its log is {log}.",
            )

    url = runtime.url(settings)
    started = time.monotonic()
    needed = () if wait else ("ledger", "vector_store", "job_runner")
    with err.status("Starting …") as spinner:
        wait_until_ready(url, lambda parts: _say(spinner, parts), parts=needed, check=check)
    _announce(settings, url, time.monotonic() - started, as_json=as_json)


def _say(spinner: Any, parts: dict[str, Any], stopped: threading.Event | None = None) -> None:
    if stopped is not None and stopped.is_set():
        raise KeyboardInterrupt
    missing = [name for name, part in parts.items() if not part["ready"]]
    spinner.update(f"Starting … waiting for {', '.join(missing) or 'the ingress'}")


def _announce(settings: Settings, url: str, seconds: float, *, as_json: bool) -> None:
    required = settings.auth.mode == "required"
    if as_json:
        about = {"url": url, "data_dir": str(settings.data_dir), "seconds": seconds}
        return print_json(about | {"authentication": settings.auth.mode})
    if not required:
        err.print(f"[yellow]Warning:[/yellow] {WARNING} See docs/auth.md.", soft_wrap=True)
    elif keys.lacks_admin(settings):
        err.print("There is no admin yet: `smartypants keys bootstrap` makes one.", markup=False)
    out.print(f"SmartyPants is up at {url} ({seconds:.0f} s). API: {url}/docs")
    out.print("  smartypants ingest PATH      index a folder")
    out.print('  smartypants search "…"       find passages')
    out.print('  smartypants ask "…"          get a cited answer')
    out.print("  smartypants down             stop")


def _last_error(log: Path, start: int) -> str:
    """The last error in a log from a byte on, else its end."""
    written = log.read_bytes()[start:] if log.exists() else b""
    said = " ".join(written.decode(errors="replace").split())
    found = said.rfind("Error: ")
    return said[-500:] if found < 0 else said[found : found + 500]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    app()
