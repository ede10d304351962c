"""The permission oracle: asks every route that could show a document, against the model."""

from __future__ import annotations

from benchmarks import _access_accounts, _access_chats, _access_documents, _access_hidden
from benchmarks._access_model import Verdicts
from benchmarks._access_world import USERS, World

KINDS = (_access_documents, _access_accounts, _access_chats, _access_hidden)


def check(world: World, user: str, verdicts: Verdicts) -> None:
    """Ask for a user, and compare all that is shown with the model."""
    for kind in KINDS:
        for seen in kind.seen(world, user):
            verdicts.note(user, seen)


def tried(world: World, *, triples: int) -> Verdicts:
    """Change something, ask for somebody, until there are enough."""
    verdicts = Verdicts()
    while verdicts.total < triples:
        for _ in range(3):
            world.change_something()
        check(world, world.random.choice(USERS), verdicts)
    return verdicts
