"""The hash chain by itself: every way to alter it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartypants.auditing import chain
from smartypants.auditing.chain import GENESIS, Anchor, Link, digest, verify

Alter = Callable[[list[Link]], list[Link]]


def made(count: int, secret: str | None = None, former: Anchor = GENESIS) -> list[Link]:
    links = []
    for number in range(former.id + 1, former.id + count + 1):
        body = chain.canonical({"sequence": number, "who": f"user{number}"})
        link = Link(number, body, digest(number, former.hash, body, secret), secret is not None)
        links.append(link)
        former = Anchor(number, link.hash)
    return links


def changed(links: list[Link]) -> list[Link]:
    links[3] = replace(links[3], body=links[3].body.replace("user4", "user5"))
    return links


def changed_with_its_hash(links: list[Link]) -> list[Link]:
    body = links[3].body.replace("user4", "user5")
    links[3] = replace(links[3], body=body, hash=digest(4, links[2].hash, body, None))
    return links


def removed(links: list[Link]) -> list[Link]:
    return links[:3] + links[4:]


def removed_first(links: list[Link]) -> list[Link]:
    return links[1:]


def numbered_anew(links: list[Link]) -> list[Link]:
    return links[:3] + [replace(link, id=link.id - 1) for link in links[4:]]


def swapped(links: list[Link]) -> list[Link]:
    third, fourth = links[2], links[3]
    links[2], links[3] = replace(fourth, id=3), replace(third, id=4)
    return links


def put_elsewhere(links: list[Link]) -> list[Link]:
    links[2], links[3] = links[3], links[2]
    return links


def made_up(links: list[Link]) -> list[Link]:
    return [*links, replace(links[-1], id=links[-1].id + 1)]


ALTERED = [changed, changed_with_its_hash, removed, removed_first, numbered_anew, swapped,
           put_elsewhere, made_up]  # fmt: skip


@pytest.mark.parametrize("secret", [None, "s3cret"])
def test_what_nobody_touched_is_intact(secret: str | None) -> None:
    links = made(9, secret)
    report = verify(links, secrets=[secret] if secret else [])
    assert report.faults == ()
    assert report.records == 9
    assert report.anchor == Anchor(9, links[-1].hash)
    assert verify([]).anchor == GENESIS


@pytest.mark.parametrize("alter", ALTERED)
@pytest.mark.parametrize("secret", [None, "s3cret"])
def test_what_somebody_touched_is_not(alter: Alter, secret: str | None) -> None:
    assert verify(alter(made(9, secret)), secrets=[secret] if secret else []).faults


def test_only_the_record_that_was_changed_is_at_fault() -> None:
    assert [fault.id for fault in verify(changed(made(9))).faults] == [4]
    assert [fault.id for fault in verify(changed_with_its_hash(made(9))).faults] == [5]


def test_what_was_cut_off_takes_an_anchor() -> None:
    whole = made(9)
    anchor = verify(whole).anchor
    cut = whole[:6]
    assert verify(cut).faults == ()
    assert [fault.id for fault in verify(cut, anchors=[anchor]).faults] == [9]
    assert verify(whole, anchors=[anchor]).faults == ()
    grown = cut + made(5, former=Anchor(6, cut[-1].hash))  # and written on
    assert verify(grown, anchors=[anchor]).faults == ()  # the same, for the same was written
    other = [replace(link, body=link.body.replace("who", "whom")) for link in made(5)]
    former, forged = Anchor(6, cut[-1].hash), list(cut)
    for number, link in enumerate(other, start=7):
        forged.append(Link(number, link.body, digest(number, former.hash, link.body, None), False))
        former = Anchor(number, forged[-1].hash)
    assert verify(forged).faults == ()
    assert [fault.id for fault in verify(forged, anchors=[anchor]).faults] == [9]


def test_who_lacks_the_secret_forges_nothing() -> None:
    assert verify(made(9, "another"), secrets=["s3cret"]).faults
    assert verify(made(9), secrets=["s3cret"]).faults  # nothing is signed
    signed = made(9, "s3cret")
    unsigned = made(4, former=Anchor(9, signed[-1].hash))
    assert verify(signed + unsigned, secrets=["s3cret"]).faults
    assert verify(signed, secrets=[]).faults
    plain = made(9)  # the key came later
    later = made(4, "s3cret", former=Anchor(9, plain[-1].hash))
    assert verify(plain + later, secrets=["s3cret"]).faults == ()
    assert verify(plain + later, secrets=["new", "s3cret"]).faults == ()


def test_a_chain_whose_beginning_was_put_away() -> None:
    whole = made(9)
    rest, before = whole[4:], Anchor(4, whole[3].hash)
    assert verify(rest).faults
    assert verify(rest, after=before).faults == ()
    assert verify(rest, after=Anchor(4, "f" * 64)).faults


@settings(deadline=None)
@given(st.data())
def test_any_other_body_is_found(data: st.DataObject) -> None:
    links = made(5)
    place = data.draw(st.integers(0, 4))
    body = data.draw(st.text(max_size=60).filter(lambda text: text != links[place].body))
    links[place] = replace(links[place], body=body)
    assert [fault.id for fault in verify(links).faults] == [place + 1]


def test_anchors_as_text() -> None:
    anchor = Anchor(12, "a" * 64)
    assert Anchor.parse(f" {anchor.text}\n") == anchor
    assert Anchor.parse("12:abc") is None
    assert Anchor.parse("x:" + "a" * 64) is None
