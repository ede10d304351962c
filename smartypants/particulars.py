"""What two sentences must share to say the same, however much they resemble each other."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NEGATION = re.compile(r"\b(?:not|no|never|none|without|cannot|neither|nor)\b|n['’]t\b", re.I)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"\b[A-Z][\w’'-]*")
_POSSESSIVE = re.compile(r"['’]s?$")

_NO_NAMES = frozenset(
    "i what who whom whose which when where why how is are was were am be do does did has have had "  # noqa: SIM905
    "can could should would will may might must shall the a an in on at for by from to of with "
    "during after before since until about as and or if it this that these those there name tell "
    "give list say explain describe please according under over between among".split()
)
"""Words that begin questions."""


_OPPOSITES: dict[str, frozenset[str]] = {}
for _one, _others in (
    ("first earliest", "last latest"),
    ("before prior until", "after since"),
    ("most more", "least less fewer fewest"),
    ("largest larger biggest bigger", "smallest smaller"),
    ("highest higher high", "lowest lower low"),
    ("best better", "worst worse"),
    ("strongest stronger strong", "weakest weaker weak"),
    ("longest longer long", "shortest shorter short"),
    ("start started begin began open opened", "end ended finish finished close closed"),
    ("increase increased rise rose gain gained", "decrease decreased fall fell lose lost"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
    ("always usually often", "never rarely seldom sometimes"),
    ("public", "private"),
    ("male men man", "female women woman"),
    ("new newer newest", "old older oldest"),
    ("inner inside internal", "outer outside external"),
    ("usual", "unusual"),
    ("minimum", "maximum"),
    ("allowed legal", "forbidden illegal prohibited"),
    ("advantage advantages benefit benefits", "disadvantage disadvantages drawback drawbacks"),
    ("include included", "exclude excluded"),
    ("enable enabled", "disable disabled"),
    ("buy bought", "sell sold"),
    ("win won beat defeated", "lose lost"),
    ("quickly fast faster", "slowly slow slower"),
    ("rich affluent", "poor"),
    ("correct correctly right", "incorrect incorrectly wrong"),
):
    for _words, _against in ((_one, _others), (_others, _one)):
        for _word in _words.split():
            _OPPOSITES[_word] = _OPPOSITES.get(_word, frozenset()) | frozenset(_against.split())


@dataclass(frozen=True, slots=True)
class Particulars:
    """Numbers, names (words written with a capital letter), whether it is negated, and words
    that have an opposite."""

    numbers: frozenset[str]
    names: frozenset[str]
    negated: bool
    polar: frozenset[str]

    def agree(self, other: Particulars) -> bool:
        """Whether none of them tells that the two sentences say different things."""
        same = (self.numbers, self.names, self.negated) == (
            other.numbers,
            other.names,
            other.negated,
        )
        return same and not any(
            _OPPOSITES[word] & (other.polar - self.polar) for word in self.polar - other.polar
        )


def particulars(sentence: str) -> Particulars:
    """What is particular about a sentence."""
    polar = _OPPOSITES.keys() & set(re.findall(r"[a-z]+", sentence.lower()))
    return Particulars(numbers(sentence), _names(sentence), negated(sentence), frozenset(polar))


def numbers(text: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(text))


def negated(text: str) -> bool:
    return _NEGATION.search(text) is not None


def _names(text: str) -> frozenset[str]:
    words = (_POSSESSIVE.sub("", word).lower() for word in _NAME.findall(text))
    return frozenset(word for word in words if word not in _NO_NAMES)
