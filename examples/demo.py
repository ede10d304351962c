"""The whole product in one run: start, ingest the sample corpus, search, ask, stop.

`make demo` runs this; `make run` runs it with `--stay`, which leaves the system up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "examples" / "handbook"
SEARCH = "how do I report a phishing mail"
QUESTION = "How long does the warranty of a buoy last?"

ENVIRONMENT = {
    "SMARTYPANTS_DATA_DIR": str(ROOT / ".demo"),
    "SMARTYPANTS_LOG__LEVEL": "warning",
    **os.environ,
}


def main() -> int:
    stay = "--stay" in sys.argv[1:]
    began = time.monotonic()
    seconds: dict[str, float] = {}
    try:
        seconds["start"] = step("up", "--detach", "--no-wait")
        seconds["ingest"] = step("ingest", str(CORPUS), "--wait")
        seconds["language model ready"] = step("up", "--detach", quiet=True)
        seconds["search"] = step("search", SEARCH)
        seconds["ask"] = step("ask", QUESTION)
        summary(seconds, time.monotonic() - began)
    except subprocess.CalledProcessError as exc:
        log = Path(ENVIRONMENT["SMARTYPANTS_DATA_DIR"], "logs", "up.log")
        print(f"\n`{' '.join(exc.cmd[2:])}` failed. The log: {log}", file=sys.stderr)
        step("down", quiet=True)
        return 1
    if stay:
        print("\nStill up. Try:")
        print(f"  export SMARTYPANTS_DATA_DIR={ENVIRONMENT['SMARTYPANTS_DATA_DIR']}")
        print('  .venv/bin/smartypants ask "What does the buoy measure?"')
        print("  .venv/bin/smartypants ingest ~/Documents --wait")
        print("  open http://127.0.0.1:8000/docs")
        print("  make stop")
        return 0
    step("down")
    return 0


def step(*arguments: str, quiet: bool = False) -> float:
    """Run a command of ours; how long it took. Raises `CalledProcessError` if it fails."""
    if not quiet:
        print(f"\n$ smartypants {' '.join(_shown(word) for word in arguments)}", flush=True)
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        env=ENVIRONMENT,
        check=True,
        stdout=subprocess.DEVNULL if quiet else None,
    )
    return time.monotonic() - started


def summary(seconds: dict[str, float], total: float) -> None:
    """Documents, chunks, and the seconds of each stage."""
    listed = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "jobs", "--json"],
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    progress = json.loads(listed.stdout)["jobs"][0]["progress"]
    print("\nSummary")
    print(
        f"  documents  {progress['indexed']} indexed, {progress['unchanged']} unchanged,", end=" "
    )
    print(f"{progress['failed']} failed")
    print(f"  chunks     {progress['chunks']}")
    for stage, value in progress["seconds"].items():
        print(f"  {stage:10} {value:6.1f} s  (stage of the pipeline)")
    for name, value in seconds.items():
        print(f"  {name:20} {value:6.1f} s")
    print(f"  {'total':20} {total:6.1f} s")


def _shown(word: str) -> str:
    word = word.replace(f"{ROOT}/", "")
    return f'"{word}"' if " " in word else word


if __name__ == "__main__":
    sys.exit(main())
