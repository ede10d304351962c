"""Collections that are not for a user: every route answers as if there were none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks._access_chats import ask
from benchmarks._access_documents import QUESTION, answered, search
from benchmarks._access_model import Seen
from benchmarks._access_world import COLLECTIONS, World

NOWHERE: Final = "nowhere"
"""A name that no collection has."""
_TEMPLATE: Final = [{"role": "user", "content": "{{ question }}\n\n{{ passages }}"}]
_DEFAULT: Final = [{"version": "default", "share": 1}]


def seen(world: World, user: str) -> Iterator[Seen]:
    for collection in COLLECTIONS:
        if world.company.sees(user, collection):
            continue
        here, nowhere = _asked(collection), _asked(NOWHERE)
        for (method, path, sent), (_, other, same) in zip(here, nowhere, strict=True):
            answer = answered(world.web.ask(user, method, path, **sent), collection)
            absent = answered(world.web.ask(user, method, other, **same), NOWHERE)
            yield Seen("hidden", f"{method} {path}", answer != absent, False)
        here_too, absent_too = (
            ask(world, user, name, frozenset()).outcome(name) for name in (collection, NOWHERE)
        )
        yield Seen("hidden", f"chat in {collection}", here_too != absent_too, False)


def _asked(name: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    own, params = f"/v1/collections/{name}", {"params": {"collection": name}}
    prompt = {"name": "answer", "collection": name, "messages": _TEMPLATE}
    return [
        ("GET", own, {}),
        ("DELETE", own, {}),
        ("GET", f"{own}/export", {}),
        ("POST", f"{own}/reindex", {}),
        ("GET", f"{own}/recipe", {}),
        ("PUT", f"{own}/recipe", {"json": {}}),
        ("DELETE", f"{own}/recipe", {}),
        ("GET", f"{own}/safety", {}),
        ("PUT", f"{own}/safety", {"json": {}}),
        ("DELETE", f"{own}/safety", {}),
        ("POST", "/v1/search", {"json": search(name)}),
        ("POST", "/v1/answers", {"json": {"question": QUESTION, "collection": name}}),
        ("GET", "/v1/documents", params),
        ("GET", "/v1/usage", params),
        ("GET", "/v1/prompts", params),
        ("GET", "/v1/prompts/answer", params),
        ("POST", "/v1/prompts/answer/preview", {"json": {"question": "x", "collection": name}}),
        ("POST", "/v1/prompts", {"json": prompt}),
        (
            "POST",
            "/v1/prompts/answer/activate",
            {"json": {"collection": name, "versions": _DEFAULT}},
        ),
        ("POST", "/v1/prompts/answer/rollback", {"json": {"collection": name}}),
    ]
