"""The settings of the stores that a URI can name; `settings.storage`."""

from __future__ import annotations

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from smartypants.addresses import Address, parse
from smartypants.credentials import Reference
from smartypants.errors import InvalidRequest
from smartypants.options.section import Section

Options = dict[str, str | int | float | bool | None]

ALIASES = {"s3a": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs"}
"""Other names of a scheme: they share its plugin and its settings."""


def _is_endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError("write it like https://host:port, without credentials")
    return value


Endpoint = Annotated[str, AfterValidator(_is_endpoint)]


class RemoteOptions(Section):
    endpoint: Endpoint | None = Field(
        None, description="`http(s)://host:port` of a compatible service. Default: the cloud's."
    )
    timeout_s: PositiveFloat = Field(
        60.0, description="A call that makes no progress for this long is given up."
    )
    listing_timeout_s: PositiveFloat = Field(
        600.0, description="Time limit for listing what is below a URI."
    )


class S3Options(RemoteOptions):
    region: str | None = Field(None, description="Default: the bucket's own.")
    anonymous: bool = Field(False, description="Send no credentials: a public bucket.")
    access_key: Reference | None = Field(
        None, description="`env:NAME` or `file:/PATH`. Default: what the AWS SDK finds."
    )
    secret_key: Reference | None = Field(None, description="`env:NAME` or `file:/PATH`.")
    session_token: Reference | None = Field(None, description="`env:NAME` or `file:/PATH`.")
    connect_timeout_s: PositiveFloat = Field(5.0, description="For each connection.")
    attempts: PositiveInt = Field(3, description="Tries of one request.")

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key go together")
        if self.anonymous and self.access_key is not None:
            raise ValueError("anonymous and access_key exclude each other")
        return self


class GcsOptions(RemoteOptions):
    anonymous: bool = Field(False, description="Send no credentials: a public bucket.")
    credentials_file: str | None = Field(
        None,
        description="Path of a service account's JSON key. Default: what Google's client finds.",
    )
    access_token: Reference | None = Field(
        None, description="`env:NAME` or `file:/PATH`; read again when it may have expired."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (
            self.anonymous + (self.credentials_file is not None) + (self.access_token is not None)
            > 1
        ):
            raise ValueError("give one of anonymous, credentials_file and access_token")
        return self


class AzureOptions(RemoteOptions):
    account: str | None = Field(
        None, description="Storage account, where the URI does not name it."
    )
    dfs_endpoint: Endpoint | None = Field(
        None, description="Of the Data Lake service. Default: `endpoint`."
    )
    account_key: Reference | None = Field(
        None, description="`env:NAME` or `file:/PATH`. Default: what the Azure SDK finds."
    )
    sas_token: Reference | None = Field(None, description="`env:NAME` or `file:/PATH`.")
    tenant_id: str | None = Field(None, description="Of the application that signs in.")
    client_id: str | None = Field(None, description="Of the application or managed identity.")
    client_secret: Reference | None = Field(None, description="`env:NAME` or `file:/PATH`.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (self.account_key, self.sas_token, self.client_secret)
        if sum(value is not None for value in given) > 1:
            raise ValueError("give one of account_key, sas_token and client_secret")
        if self.account is None and any(given[:2]):
            raise ValueError("account_key and sas_token need account, which they belong to")
        if self.client_secret is not None and None in (self.tenant_id, self.client_id):
            raise ValueError("client_secret needs tenant_id and client_id")
        return self


class StorageSettings(Section):
    s3: S3Options = Field(S3Options(), description="Stores at `s3://`.")
    gs: GcsOptions = Field(GcsOptions(), description="Stores at `gs://`.")
    abfs: AzureOptions = Field(
        AzureOptions(), description="Stores at `abfs://`, `abfss://` and `az://`."
    )
    prefixes: dict[str, Options] = Field(
        default_factory=dict,
        description="`URI: {option: value}` that differ below a URI; the longest prefix wins.",
    )
    plugins: dict[str, Options] = Field(
        default_factory=dict,
        description="`scheme: {option: value}` for plugins of other packages.",
    )

    @model_validator(mode="after")
    def _prefixes_are_valid(self) -> Self:
        for prefix, options in self.prefixes.items():
            try:
                self._merged(parse(prefix).scheme, options)
            except InvalidRequest as exc:
                raise ValueError(str(exc)) from None
            except ValidationError as exc:
                first = exc.errors(include_input=False, include_url=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                raise ValueError(f"{prefix}: {where}: {first['msg']}") from None
        return self

    def options_for(self, address: Address) -> dict[str, Any]:
        """The options for a place: its scheme's, and over them those of its longest prefix."""
        place = f"{address.uri}/"
        matching = {
            above: options
            for prefix, options in self.prefixes.items()
            if place.startswith(above := f"{parse(prefix).uri}/")
        }
        return self._merged(address.scheme, matching[max(matching, key=len)] if matching else {})

    def _merged(self, scheme: str, over: Options) -> dict[str, Any]:
        name = ALIASES.get(scheme, scheme)
        section = {"s3": self.s3, "gs": self.gs, "abfs": self.abfs}.get(name)
        if section is None:
            return {**self.plugins.get(name, {}), **over}
        given = section.model_dump(exclude_unset=True)
        return type(section).model_validate({**given, **over}).model_dump()
