from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks._labelled import PROSE, SECRETS
from smartypants.safety.options import BlockedOptions, SafetySettings
from smartypants.safety.policy import Safety
from smartypants.safety.responding import REFUSED, ResponseProcessor
from smartypants.safety.rules import RuleStream
from smartypants.safety.secrets import CONTROL_TOKENS, INVISIBLE
from smartypants.safety.secrets import SECRETS as RULES
from smartypants.safety.streams import MAX_SENTENCE, Findings, SentenceStream

UNFOUND = ("The PIN of the safe", "Log in as admin")
SAFETY = Safety(
    SafetySettings(
        blocked=BlockedOptions(terms=("project heron", "émile"), patterns=(r"X-\d{2,6}",))
    )
)

parts = st.one_of(
    st.sampled_from(
        [*SECRETS, *PROSE, "<|im_end|>", "</s>", "[INST]", "Project  Heron", "X-12", "eyJ", "sk-",
         "-----BEGIN ", "AKIA", "password = ", "\u200b", "\x1b[31m", " ", "\n", "a. B"]
    ),
    st.text(max_size=8),
    st.text("AKIsp_-:/@=<|>.ey0a \n", max_size=12),
)  # fmt: skip
texts = st.lists(parts, max_size=6).map("".join)


async def through(response: ResponseProcessor, pieces: Sequence[str]) -> str:
    given_out = [await response.feed(piece) for piece in pieces]
    return "".join(given_out) + await response.finish()


@st.composite
def split_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    text = draw(texts)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    ends = [*cuts, len(text)]
    return text, [text[a:b] for a, b in zip([0, *cuts], ends, strict=True)]


@settings(max_examples=300, deadline=None)
@given(split_texts())
def test_pieces_make_no_difference(case: tuple[str, list[str]]) -> None:
    text, pieces = case
    whole = asyncio.run(through(SAFETY.response(), [text]))
    assert asyncio.run(through(SAFETY.response(), pieces)) == whole
    assert asyncio.run(through(SAFETY.response(), list(text))) == whole


@settings(max_examples=200, deadline=None)
@given(texts)
def test_no_prefix_holds_what_is_forbidden(text: str) -> None:
    response = SAFETY.response()

    async def prefixes() -> list[str]:
        found = [""]
        for char in text:
            found.append(found[-1] + await response.feed(char))
        return [*found, found[-1] + await response.finish()]

    whole = asyncio.run(prefixes())
    for given_out in (whole[-1], whole[len(whole) // 2]):
        for rules in (INVISIBLE, CONTROL_TOKENS, RULES):
            assert rules.whole.search(given_out) is None
    assert all(after.startswith(before) for before, after in pairwise(whole))


@pytest.mark.parametrize("text", [s for s in SECRETS if not s.startswith(UNFOUND)])
def test_secrets(text: str) -> None:
    findings = Findings()
    stream = RuleStream(RULES, findings)
    out = "".join(stream.feed(char) for char in text) + stream.finish()
    assert findings.total() >= 1
    assert "[removed: " in out


@pytest.mark.parametrize("text", PROSE)
def test_prose_about_secrets(text: str) -> None:
    stream = RuleStream(RULES, Findings())
    assert stream.feed(text) + stream.finish() == text


def test_prose_is_not_held_back() -> None:
    response = SAFETY.response()
    given_out = asyncio.run(response.feed("The notice period is three months. It ends in "))
    assert given_out.startswith("The notice period is three months. It ends")


def test_a_word_does_not_wait_for_the_next() -> None:
    response = Safety(SafetySettings()).response()
    assert asyncio.run(response.feed("The")) == "Th"  # eyJ begins a token
    assert asyncio.run(response.feed(" bird")) == "e bird"


@pytest.mark.parametrize("action", ["replace", "refuse"])
@pytest.mark.parametrize("text", ["It is PROJECT\nHERON.", "Émile knows.", "See X-123."])
def test_blocked_content(action: str, text: str) -> None:
    blocked = SAFETY.settings.blocked.model_copy(update={"action": action})
    safety = Safety(SafetySettings(blocked=blocked))
    response = safety.response()
    out = asyncio.run(through(response, list(f"First words. {text} Last.")))
    code = {"replace": "content_removed", "refuse": "blocked_content"}[action]
    assert [notice.code for notice in response.notices()] == [code]
    if action == "refuse":
        assert out == REFUSED
    else:
        assert out.startswith("First words. ")
        assert "[removed]" in out
        assert out.endswith(" Last.")


def test_refusal_gives_no_first_words() -> None:
    blocked = BlockedOptions(terms=("heron",), action="refuse")
    response = Safety(SafetySettings(blocked=blocked)).response()
    assert asyncio.run(response.feed("The first words. ")) == ""
    assert asyncio.run(response.finish()) == "The first words. "


def test_words_within_words_are_not_blocked() -> None:
    safety = Safety(SafetySettings(blocked=BlockedOptions(terms=("ass",))))
    assert asyncio.run(through(safety.response(), ["A class of assets."])) == "A class of assets."


def test_slow_pattern_refuses() -> None:
    blocked = BlockedOptions(patterns=("(?:a|a|a|aa){0,60}c",))
    response = Safety(SafetySettings(blocked=blocked, max_repeats=0)).response()
    out = asyncio.run(through(response, ["a" * 4_000 + "b"]))
    assert out == REFUSED
    assert [notice.code for notice in response.notices()] == ["blocked_content"]


@pytest.mark.parametrize(
    "pattern",
    [
        "a*",
        "a+b",
        "(?:a{1,3})+",
        "x{2,}",
        "^a",
        "a$",
        "(?=a)b",
        "(?<!a)b",
        r"(a)\1",
        "(",
        "a?",
        r"\Aa",
    ],
)
def test_patterns_that_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        BlockedOptions(patterns=(pattern,))


@pytest.mark.parametrize("pattern", [r"\d{3}-\d{4}", "[a+*]b", r"\+\d", "(?:a|b){1,3}c", "(?i:x)y"])
def test_patterns_that_are_taken(pattern: str) -> None:
    assert BlockedOptions(patterns=(pattern,)).patterns == (pattern,)


@pytest.mark.parametrize(
    "unit",
    [
        "The buoy is red and it floats. ",
        "The answer is that the answer is ",
        "是的这个答案是正确的没有问题的话",
    ],
)
def test_loops_are_cut(unit: str) -> None:
    response = Safety(SafetySettings()).response()
    out = asyncio.run(through(response, list("I know. " + unit * 60)))
    assert len(out) < 8 * len(unit) + 10
    assert response.ended
    assert [notice.code for notice in response.notices()] == ["repetition_cut"]


@pytest.mark.parametrize(
    "text",
    [
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |" * 3,
        "ha ha ha ha ha ha",
        "1, 2, 3, 4, 5, 6, 7, 8",
    ],
)
def test_what_is_no_loop(text: str) -> None:
    assert asyncio.run(through(Safety(SafetySettings()).response(), [text])) == text


def test_sentences() -> None:
    text = "Ask Dr. J. Smith. Then\nwait! " + "word " * 500 + "x" * 3000
    seen: list[str] = []

    def note(sentence: str) -> str:
        seen.append(sentence)
        return sentence

    stream = SentenceStream(note)
    assert "".join(stream.feed(char) for char in text) + stream.finish() == text
    assert seen[:3] == ["Ask Dr. J. Smith. ", "Then\n", "wait! "]
    assert max(map(len, seen)) <= MAX_SENTENCE
