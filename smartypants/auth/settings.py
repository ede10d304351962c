"""The settings of authentication; `settings.auth`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    StringConstraints,
    model_validator,
)

from smartypants.credentials import Reference
from smartypants.options.section import Section

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "Ed25519", "EdDSA")  # fmt: skip
"""Of signatures that a public key verifies: no `none`, and no shared secret."""
ANYBODYS = ("accounts.google.com", "github.com")
"""Issuers where everybody in the world has an account."""


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write it like https://host:port")
    if parts.username is not None:
        raise ValueError("must not hold credentials")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https, except on this machine")
    return value


BaseUrl = Annotated[str, AfterValidator(_is_base_url)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class IssuerSettings(Section):
    """Who vouches for users: an OpenID Connect provider, or GitHub."""

    kind: Literal["oidc", "github"] = Field("oidc", description="GitHub has a protocol of its own.")
    issuer: BaseUrl = Field(
        "https://github.com",
        description="The issuer, as its discovery document names it; of `github` the site.",
    )
    client_id: str | None = Field(None, description="Of our registration there. None: no login.")
    client_secret: Reference | None = Field(
        None, description="`env:NAME` or `file:/PATH`. None: a public client, with PKCE alone."
    )
    scopes: tuple[str, ...] = Field(
        (), description="Asked for at login. Default: `openid email profile`; of `github` "
        "`read:user user:email read:org`."
    )  # fmt: skip
    audience: str | None = Field(
        None, description="What `aud` of a bearer token must hold. None: no bearer tokens of it."
    )
    algorithms: tuple[Literal[ALGORITHMS], ...] = Field(  # type: ignore[valid-type]
        ("RS256", "PS256", "ES256", "Ed25519", "EdDSA"), description="Of signatures."
    )
    name_claim: str = Field(
        "email",
        description="Names the user: `user:NAME` in ACLs. An `email` counts only where the issuer "
        "has verified it.",
    )
    groups_claim: str = Field(
        "groups", description="Names its groups. Of `github` these are its organizations."
    )
    group_prefix: str = Field("", description="Before each name of a group.")
    default_role: Literal["none", "reader", "editor"] = Field(
        "reader", description="Of a user who comes for the first time."
    )
    allowed_domains: tuple[str, ...] = Field(
        (), description="Only users with a verified email address in one of these."
    )
    required_groups: tuple[str, ...] = Field(
        (), description="Only users who are in one of these groups."
    )
    trust_emails: bool = Field(
        False, description="A verified email address logs in to the user of that name, whoever "
        "made it; else only an admin links the two."
    )  # fmt: skip

    @model_validator(mode="after")
    def _lets_not_everybody_in(self) -> Self:
        restricted = self.allowed_domains or self.required_groups or self.default_role == "none"
        if urlsplit(self.issuer).hostname in ANYBODYS and not restricted:
            raise ValueError(
                "everybody in the world has an account there: set allowed_domains, "
                "required_groups, or default_role: none"
            )
        return self

    @property
    def asked_scopes(self) -> str:
        usual = "openid email profile" if self.kind == "oidc" else "read:user user:email read:org"
        return " ".join(self.scopes) or usual


class SessionSettings(Section):
    idle_s: PositiveFloat = Field(8 * 3600.0, description="A session that rests longer has ended.")
    absolute_s: PositiveFloat = Field(7 * 86_400.0, description="No session lasts longer.")


class AuthSettings(Section):
    mode: Literal["open", "required"] = Field(
        "open",
        description="`open`: everybody who reaches the port may do everything, and only loopback "
        "addresses are listened on. `required`: everybody has to say who it is.",
    )
    public_url: BaseUrl | None = Field(
        None, description="Where browsers reach us, as issuers know it. Default: the address that "
        "is listened on."
    )  # fmt: skip
    issuers: dict[Name, IssuerSettings] = Field(
        default_factory=dict,
        description="By the name in `/auth/login/NAME`; `docs/auth.md` has examples.",
    )
    sessions: SessionSettings = Field(SessionSettings(), description="Sessions of browsers.")
    clock_skew_s: NonNegativeFloat = Field(
        60.0, description="By which an issuer's clock may be off."
    )
    keys_max_age_s: PositiveFloat = Field(
        3600.0, description="An issuer's signing keys are fetched again after this time."
    )
    keys_min_age_s: PositiveFloat = Field(
        30.0,
        description="And for a key that is not known, no sooner than this after the last time.",
    )
    timeout_s: PositiveFloat = Field(10.0, description="For what an issuer is asked.")
    cache_s: NonNegativeFloat = Field(
        30.0, description="Seconds that a replica remembers who a caller is; what is changed here "
        "counts at once all the same."
    )  # fmt: skip
