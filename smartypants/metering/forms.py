"""Usage as rows of a table, and as CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from smartypants.errors import ValidationFailed
from smartypants.ledger.usage import Group, Total
from smartypants.metering.counts import COUNTS

SUMS: Final = (*COUNTS, "cost")
SUFFIXES: Final = (".csv", ".jsonl", ".parquet")
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")

Row = dict[str, str | int | float | None]


def row(total: Total, by: Sequence[Group], names: Mapping[str, str]) -> Row:
    """`names` are those of users by id; one who is known no more is shown by the id."""
    groups: Row = dict(zip(by, total.group, strict=True))
    if "user" in groups:
        groups["user"] = names.get(str(groups["user"]), groups["user"])
    return {**groups, **{name: getattr(total.sums, name) for name in SUMS}}


def csv_lines(rows: Iterable[Row], by: Sequence[Group]) -> Iterator[str]:
    """With a header. A name that a spreadsheet would take for a formula is quoted."""
    yield _csv([*by, *SUMS])
    for each in rows:
        yield _csv(_plain(value) for value in each.values())


def json_lines(rows: Iterable[Row]) -> Iterator[str]:
    for each in rows:
        yield json.dumps(each) + "\n"


def write(path: Path, rows: Iterable[Row], by: Sequence[Group]) -> int:
    """How many there are. Raises `ValidationFailed` for a name that says of no form."""
    kept = list(rows)
    match path.suffix.lower():
        case ".csv":
            path.write_text("".join(csv_lines(kept, by)), encoding="utf-8", newline="")
        case ".jsonl":
            path.write_text("".join(json_lines(kept)), encoding="utf-8")
        case ".parquet":
            _write_parquet(path, kept, by)
        case _:
            raise ValidationFailed(
                f"{path.name} has none of the endings {', '.join(SUFFIXES)}.", "Choose one."
            )
    return len(kept)


def _write_parquet(path: Path, rows: Sequence[Row], by: Sequence[Group]) -> None:
    import pyarrow
    import pyarrow.parquet

    columns: list[tuple[str, Any]] = [(name, pyarrow.string()) for name in by]
    columns += [(name, pyarrow.int64()) for name in COUNTS]
    schema = pyarrow.schema([*columns, ("cost", pyarrow.float64())])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), path)


def _csv(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(list(values))
    return line.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return "" if value is None else value
