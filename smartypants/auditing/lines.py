"""Records as one JSON object a line: OCSF events that carry their link of the chain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from smartypants.auditing import chain
from smartypants.auditing.chain import GENESIS, Anchor, Link
from smartypants.errors import InvalidRequest

_CHAIN: Final = "chain"


def with_link(event: dict[str, Any], link: Link, former: str) -> dict[str, Any]:
    """The event, with its hash and the former one's in `unmapped.chain`."""
    kept = {"hash": link.hash, "former": former, "signed": link.signed}
    return {**event, "unmapped": {**event.get("unmapped", {}), _CHAIN: kept}}


def dumped(event: dict[str, Any], link: Link, former: str) -> str:
    return chain.canonical(with_link(event, link, former)) + "\n"


def read(lines: Iterable[str]) -> Iterator[tuple[Link, Anchor]]:
    """Each record of an export, and what it says that it follows. Raises `InvalidRequest`."""
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            kept = event["unmapped"].pop(_CHAIN)
            sequence = int(event["metadata"]["sequence"])
            digest, former = str(kept["hash"]), str(kept["former"])
            signed = bool(kept["signed"])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise InvalidRequest(
                f"Line {number} is no exported audit record.", "Was the file cut or edited?"
            ) from exc
        if not event["unmapped"]:
            del event["unmapped"]
        link = Link(sequence, chain.canonical(event), digest, signed)
        before = GENESIS if sequence == 1 else Anchor(sequence - 1, former)
        yield link, before
