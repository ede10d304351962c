"""What every section of the settings is: frozen, and without unknown keys."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

_PASSWORD_IN_URL = re.compile(r"^[^:]+://[^/@:]*:[^@]*@|[?&]password=", re.IGNORECASE)


class Section(BaseModel):
    # What is in the wrong place may be a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def has_password(url: str) -> bool:
    """Whether a URL of a server carries a password."""
    return _PASSWORD_IN_URL.search(url) is not None
