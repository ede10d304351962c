"""Field types that requests share. Limits that are settings are checked through the context."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
)

from smartypants.attachments import MARK
from smartypants.attributes import folded_author, instant
from smartypants.settings import Settings

MAX_NAME_CHARS = 500


class RequestBody(BaseModel):
    """Strict: a number is no string, and an unknown field is an error and not a typo ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Params(BaseModel):
    """Path and query parameters: strings on the wire, so numbers are read from them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParams(Params):
    """For routes without parameters: any is an error."""


def _settings(info: ValidationInfo) -> Settings | None:
    return info.context if isinstance(info.context, Settings) else None


def _check_top_k(value: int, info: ValidationInfo) -> int:
    settings = _settings(info)
    if settings is not None and value > settings.http.max_top_k:
        raise ValueError(f"must be {settings.http.max_top_k} at most")
    return value


def _check_question(value: str, info: ValidationInfo) -> str:
    settings = _settings(info)
    if settings is not None and len(value) > settings.http.max_query_chars:
        raise ValueError(f"must have {settings.http.max_query_chars} characters at most")
    return value


def _check_max_tokens(value: int, info: ValidationInfo) -> int:
    settings = _settings(info)
    if settings is not None and value > settings.llm.longest_context:
        raise ValueError(f"must be {settings.llm.longest_context} at most, the model's context")
    return value


def no_controls(value: str) -> str:
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        raise ValueError("must not contain control characters")
    return value


def _no_controls_but_layout(value: str) -> str:
    no_controls(value.translate({ord(char): " " for char in "\t\n\r"}))
    return value


def clean_name(value: str) -> str:
    """A relative path in one spelling, so that the same name is the same document."""
    no_controls(value)
    parts = unicodedata.normalize("NFC", value.strip()).replace("\\", "/").split("/")
    parts = [part for part in parts if part not in ("", ".")]
    if not parts:
        raise ValueError("must not be empty")
    if ".." in parts:
        raise ValueError("must not contain '..'")
    name = "/".join(parts)
    if MARK in name:
        raise ValueError(f"must not contain {MARK!r}: so attachments are called")
    if len(name) > MAX_NAME_CHARS:
        raise ValueError(f"must have {MAX_NAME_CHARS} characters at most")
    return name


TopK = Annotated[
    int, Field(ge=1, description="At most `http.max_top_k`."), AfterValidator(_check_top_k)
]
MaxTokens = Annotated[
    int,
    Field(ge=1, description="At most what the model's context has."),
    AfterValidator(_check_max_tokens),
]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Question = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    Field(description="At most `http.max_query_chars` characters."),
    AfterValidator(_check_question),
]
CollectionName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$"),
    Field(description="Default: `default_collection`."),
]
Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=300), AfterValidator(no_controls)
]
DocumentName = Annotated[
    str,
    Field(min_length=1, description="May be a relative path. It tells apart and replaces."),
    AfterValidator(clean_name),
]
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000),
    AfterValidator(no_controls),
]
MediaTypeName = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")
]
Metadata = Annotated[
    dict[
        Annotated[
            str, StringConstraints(min_length=1, max_length=100), AfterValidator(no_controls)
        ],
        Annotated[str, StringConstraints(max_length=4000), AfterValidator(_no_controls_but_layout)],
    ],
    Field(max_length=50, description="Strings; `title` beats the title found in the document."),
]
Limit = Annotated[int, Field(ge=1, le=500)]
Time = AwareDatetime


def at(seconds: float) -> datetime:
    """A moment of the ledger as users see it."""
    return datetime.fromtimestamp(seconds, UTC)


def maybe_at(seconds: float | None) -> datetime | None:
    return None if seconds is None else at(seconds)


def _check_author(value: str) -> str:
    if not folded_author(value):
        raise ValueError("must have a letter or a digit")
    return value


def _check_date(value: str) -> str:
    if not value[:1].isdigit() or instant(value) is None:
        raise ValueError(
            "must be an ISO 8601 date or time, as 2023, 2023-05-17 or 2023-05-17T10:00Z"
        )
    return value


AuthorName = Annotated[
    str, StringConstraints(min_length=1, max_length=300), AfterValidator(_check_author)
]
IsoDate = Annotated[
    str,
    StringConstraints(min_length=4, max_length=40),
    AfterValidator(_check_date),
    Field(description="ISO 8601; a year, month or day stands for its beginning (UTC)."),
]
