"""What every peer's script does: read its arguments, time the work, print one JSON object.

It runs in the peer's environment, so it imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Result:
    documents: int = 0
    chunks: int = 0
    unread: list[str] = field(default_factory=list)
    seconds: float = 0.0


def measure(prepare: Callable[[str], Callable[[list[Path]], Result]]) -> None:
    """`prepare` loads the model in a folder and warms it up; what it returns is timed."""
    import torch

    corpus, model, threads = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    ingest = prepare(model)
    started = time.perf_counter()
    result = ingest(sorted(path for path in Path(corpus).rglob("*") if path.is_file()))
    result.seconds = time.perf_counter() - started
    print(f"\n{json.dumps(asdict(result))}")
