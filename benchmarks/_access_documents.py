"""What users are shown of documents: by searches and answers, in lists, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from benchmarks._access_model import Item, Seen
from benchmarks._access_world import COLLECTIONS, DOCUMENTS, World

QUESTION = "What is the budget?"
SAMPLE = 12
"""Documents that are asked for one by one, each time."""
NOBODYS = "0" * 32
"""An id that no document has."""


def seen(world: World, user: str) -> Iterator[Seen]:
    yield from _listed(world, user)
    yield from _sources(world, user)
    for collection in COLLECTIONS:
        yield from _searched(world, user, collection)
        yield from _exported(world, user, collection)
    sample = world.random.sample(list(world.company.items.values()), SAMPLE)
    for item in sample:
        yield from _one(world, user, item)
    yield from _deleted(world, user, sample[0])


def search(collection: str) -> dict[str, Any]:
    return {
        "query": QUESTION,
        "collection": collection,
        "top_k": DOCUMENTS,
        "per_document": True,
        "options": {"collapse": False, "spelling": False},
    }


def found(world: World, user: str, collection: str) -> set[str]:
    """The documents of which a search tells."""
    response = world.web.post(user, "/v1/search", search(collection))
    assert response.status_code in (200, 403, 404), response.text
    return mentioned(world, response.text)


def mentioned(world: World, text: str) -> set[str]:
    """The documents of which a text has the id, the name or the word."""
    items = world.company.items.values()
    return {i.id for i in items if i.id in text or i.name in text or i.word in text}


def compared(
    route: str, shown: set[str], items: Iterable[Item], right: Callable[[Item], bool]
) -> Iterator[Seen]:
    for item in items:
        yield Seen(route, item.name, item.id in shown, right(item))


def told(
    route: str, shown: set[str], items: Iterable[Item], right: Callable[[Item], bool]
) -> Iterator[Seen]:
    """Of what has room for a few: nobody can say which of those that may be shown."""
    few = [item for item in items if item.id in shown or not right(item)]
    return compared(route, shown, few, right)


def _listed(world: World, user: str) -> Iterator[Seen]:
    company, every = world.company, list(world.company.items.values())
    for collection in (None, *COLLECTIONS):
        chosen = {} if collection is None else {"collection": collection}
        listed = world.web.get(user, "/v1/documents", limit=500, **chosen).text
        items = [item for item in every if collection in (None, item.collection)]
        yield from compared(
            "list",
            mentioned(world, listed),
            items,
            lambda item: not item.deleted and company.may_read(user, item),
        )


def _sources(world: World, user: str) -> Iterator[Seen]:
    """Each collection has one source, of its name; what is counted is what may be read."""
    company, web = world.company, world.web
    listed = web.get(user, "/v1/sources").json().get("sources", ())
    counted = {row["id"]: sum(row["documents"].values()) for row in listed}
    for collection in COLLECTIONS:
        mine = [item for item in company.items.values() if item.collection == collection]
        readable = sum(not item.deleted and company.may_read(user, item) for item in mine)
        there = readable > 0 or company.edits(user, collection)
        yield Seen("sources", collection, counted.get(collection, 0), readable)
        yield Seen("sources", collection, collection in counted, there)
        found = web.get(user, f"/v1/sources/{collection}")
        absent = web.get(user, f"/v1/sources/{NOBODYS}")
        known = answered(found, collection) != answered(absent, NOBODYS)
        yield Seen("source", collection, known, there)


def _searched(world: World, user: str, collection: str) -> Iterator[Seen]:
    company, every = world.company, list(world.company.items.values())
    items = [item for item in every if item.collection == collection]

    def right(item: Item) -> bool:
        return item.collection == collection and company.finds(user, item)

    yield from compared("search", found(world, user, collection), every, right)
    again = found(world, user, collection)  # what is cached by now
    yield from compared("search", again, items, right)
    one = world.random.choice(items)
    near = search(collection) | {"filters": {"document_ids": [one.id]}}
    near["options"] |= {"neighbours": 1, "parents": True, "explain": True}
    hits = world.web.post(user, "/v1/search", near).json().get("hits", ())
    yield from compared("search", mentioned(world, str(hits)), [one], right)

    asked = search(collection) | {"mode": "extractive", "question": QUESTION}
    del asked["query"], asked["per_document"]
    for route, how in (("answers", {}), ("answers streamed", {"stream": True})):
        given = world.web.post(user, "/v1/answers", asked | how).text
        yield from compared(route, mentioned(world, given), items, right)
    wanted = {"question": QUESTION, "collection": collection, "search": True}
    prompt = world.web.post(user, "/v1/prompts/answer/preview", wanted).text
    yield from told("preview", mentioned(world, prompt), every, right)


def _exported(world: World, user: str, collection: str) -> Iterator[Seen]:
    company, every = world.company, list(world.company.items.values())
    items = [item for item in every if item.collection == collection]
    edits = company.edits(user, collection)
    exported = world.web.get(user, f"/v1/collections/{collection}/export").text
    yield from compared(
        "export",
        mentioned(world, exported),
        items,
        lambda item: edits and company.finds(user, item),
    )
    job = world.web.get(user, f"/v1/jobs/{world.jobs[collection]}").text
    yield from compared(
        "job",
        mentioned(world, job),
        items,
        lambda item: edits and item.failed and not item.deleted and company.may_read(user, item),
    )


def _one(world: World, user: str, item: Item) -> Iterator[Seen]:
    company, web = world.company, world.web
    readable = company.may_read(user, item)
    there = readable and not item.deleted
    for route, right in (("", there), ("/versions", readable), ("/related", readable)):
        response, absent = (
            web.get(user, f"/v1/documents/{each}{route}") for each in (item.id, NOBODYS)
        )
        known = answered(response, item.id) != answered(absent, NOBODYS)
        yield Seen(f"get{route}", item.name, known, right)
        if route == "/related" and readable and known:
            others = [other for other in company.items.values() if other is not item]
            yield from compared(
                "related",
                {row["document"]["id"] for row in response.json()["related"]},
                others,
                lambda other: item.beside(other) and company.may_read(user, other),
            )
    meant = search(item.collection) | {"query": f"the {_misspelt(item.word)}"}
    meant["options"] = {"collapse": False, "spelling": True}
    made = web.post(user, "/v1/search", meant).json().get("understood")
    offered = made is not None and item.word in made["text"]
    yield Seen("spelling", item.name, offered, company.finds(user, item))
    verdict = {"query": "x", "collection": item.collection, "relevant": True}
    sent = web.post(user, "/v1/feedback", verdict | {"document_id": item.id})
    absent = web.post(user, "/v1/feedback", verdict | {"document_id": NOBODYS})
    yield Seen("feedback", item.name, answered(sent, item.id) != answered(absent, NOBODYS), there)


def _deleted(world: World, user: str, item: Item) -> Iterator[Seen]:
    """Whoever may write somewhere learns of a document that it may only read that it is there."""
    company, web = world.company, world.web
    readable = company.may_read(user, item) and not item.deleted
    response = web.ask(user, "DELETE", f"/v1/documents/{item.id}")
    absent = web.ask(user, "DELETE", f"/v1/documents/{NOBODYS}")
    known = answered(response, item.id) != answered(absent, NOBODYS)
    yield Seen("delete", item.name, known, readable and company.edits_anything(user))
    gone = readable and company.edits(user, item.collection)
    yield Seen("delete", item.name, response.status_code == 204, gone)
    item.deleted = item.deleted or gone


def answered(response: Any, name: str) -> tuple[int, str]:
    """What tells the answer about something with this name from that about something else."""
    if response.status_code < 400:
        return response.status_code, ""
    return response.status_code, refused(response.json(), name)


def refused(problem: Mapping[str, str], name: str) -> str:
    said = " ".join(problem[part] for part in ("code", "detail", "hint"))
    return said.replace(name, "NAME")


def _misspelt(word: str) -> str:
    """With two neighbours swapped."""
    place = next(n for n in range(4, len(word)) if word[n] != word[n + 1])
    return f"{word[:place]}{word[place + 1]}{word[place]}{word[place + 2 :]}"
