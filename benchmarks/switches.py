"""What each switch of the graph gives a search: the graph as it is, and with one the other way.

One index; for each variant a system of its own in a fresh process, since Serve reads its switches
when it is imported. After a warm-up, closed loops of 1 and of 16 clients ask `POST /v1/search`
over HTTP. The graph as it is comes first and last: what lies between the two is noise.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from benchmarks.search import Load, over_http
from smartypants.settings import Settings

LEVELS = (1, 16)
SECONDS, QUICK_SECONDS = 10.0, 4.0


@dataclass(frozen=True, slots=True)
class Variant:
    """Environment variables and sections of the settings that differ from ours."""

    name: str
    label: str
    environment: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = (
    Variant("as_it_is", "as it is"),
    Variant(
        "python_proxy", "Serve's Python proxy, not HAProxy", {"RAY_SERVE_ENABLE_HA_PROXY": "0"}
    ),
    Variant(
        "separate_loops",
        "loops of their own, no throughput mode",
        {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "0"},
    ),
    Variant(
        "defaults",
        "both: Serve's defaults",
        {"RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "0"},
    ),
    Variant(
        "actor_calls",
        "actor calls between deployments, not gRPC",
        {"RAY_SERVE_USE_GRPC_BY_DEFAULT": "0"},
    ),
    Variant(
        "slow_controller",
        "Serve's controller twice a second, not ten times",
        {"RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5"},
    ),
    Variant("apart", "query processor and embedder apart", {}, {"serve": {"apart": _common.APART}}),
    Variant("unbatched", "no batching across requests", {}, {"serve": {"max_batch_requests": 1}}),
    Variant("as_it_is_again", "as it is, again"),
)


def main() -> None:
    parser = _common.arguments("switches", __doc__)
    parser.add_argument("--data", type=Path, default=_common.DATA / "xquad", metavar="DIR",
                        help="a set in BEIR form; default: xquad")  # fmt: skip
    options = parser.parse_args()
    if not options.data.exists():
        parser.error(f"there is no {options.data}; name a set with --data")
    data = _beir.load(options.data)
    seconds = QUICK_SECONDS if options.quick else SECONDS
    measured: dict[str, dict[int, Load]] = {}
    with _common.data_dir(options.reuse) as data_dir:
        corpus = data_dir / "corpora" / data.name
        _beir.write_corpus(data.corpus, corpus)
        for variant in VARIANTS:
            settings = _common.own_settings(
                data_dir, llm=_common.NO_LLM, ingest=_common.AT_REST, **variant.sections
            )
            _common.say(variant.label)
            questions = [*data.queries.values()]
            with environment(variant.environment):
                measured[variant.name] = _common.alone(
                    served, settings, corpus, data.collection, questions, seconds
                )
            _common.write_json(options.json, summary(measured))
    _common.show(_table(measured))


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    """These variables, for processes that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(more)
    yield
    os.environ.clear()
    os.environ.update(before)


def served(
    settings: Settings, corpus: Path, collection: str, questions: list[str], seconds: float
) -> dict[int, Load]:
    """The levels; indexes what is not indexed yet."""
    with _common.running(settings, parts=_common.SEARCH_PARTS) as url:
        _common.index(settings, corpus, collection)
        return asyncio.run(over_http(url, collection, questions, seconds, levels=LEVELS))


def summary(measured: Mapping[str, Mapping[int, Load]]) -> Figures:
    figures: Figures = {}
    for name, levels in measured.items():
        for clients, load in levels.items():
            figures[f"switches.{name}.rps@{clients}"] = load.rps
            figures[f"switches.{name}.p50_ms@{clients}"] = load.ms(0.50)
    return figures


def _table(measured: Mapping[str, Mapping[int, Load]]) -> Table:
    columns = [f"{what} @{clients}" for clients in LEVELS for what in ("req/s", "p50 ms")]
    table = Table("", *columns, title="Search, by switches of the graph")
    for variant in VARIANTS:
        loads = [measured[variant.name][clients] for clients in LEVELS]
        shown = [text for load in loads for text in (f"{load.rps:.1f}", f"{load.ms(0.5):.1f}")]
        table.add_row(variant.label, *shown)
    return table


if __name__ == "__main__":
    main()
