"""The settings of the audit log; `settings.audit`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smartypants.credentials import Reference
from smartypants.options.section import Section


class AuditSettings(Section):
    """Changes are recorded always, in the transaction that makes them."""

    reads: Literal["auto", "off", "buffered", "strict"] = Field(
        "auto",
        description="Who saw which documents, and who was refused. `buffered`: written within a "
        "second. `strict`: written before the answer. `auto`: `buffered` where auth.mode is "
        "`required`, else `off`.",
    )
    queries: Literal["hashed", "kept"] = Field(
        "hashed", description="Whether records hold what was asked, or a hash of it."
    )
    key: Reference | None = Field(
        None,
        description="A secret that signs records (HMAC): who can write to the ledger, but does "
        "not know it, can't forge a chain. See docs/audit.md.",
    )
    former_keys: tuple[Reference, ...] = Field(
        (), description="Secrets that signed earlier records, for verifying those."
    )
