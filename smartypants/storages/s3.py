"""`s3://bucket/prefix`: Amazon S3 and what speaks its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from smartypants.protocols import Commit

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


class S3Storage:
    """Without keys, the AWS SDK looks: environment, profile, the machine's role."""

    commit: Commit = "close"

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        anonymous: bool = False,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        connect_timeout_s: float = 5.0,
        timeout_s: float = 60.0,
        listing_timeout_s: float = 600.0,
        attempts: int = 3,
    ) -> None:
        self._endpoint = urlsplit(endpoint or "https://")
        self._region = region
        self._anonymous = anonymous
        self._keys = (access_key, secret_key, session_token)
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s / attempts
        self._attempts = attempts

    def open(self, authority: str, path: str) -> tuple[FileSystem, str]:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region

        region = self._region
        if region is None:
            region = "us-east-1" if self._endpoint.netloc else resolve_s3_region(authority)
        access_key, secret_key, session_token = self._keys
        filesystem = S3FileSystem(
            access_key=access_key,
            secret_key=secret_key,
            session_token=session_token,
            anonymous=self._anonymous,
            region=region,
            scheme=self._endpoint.scheme,
            endpoint_override=self._endpoint.netloc or None,
            connect_timeout=self._connect_timeout_s,
            request_timeout=max(self._timeout_s, 1.0),  # whole seconds; 0 would mean for ever
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=self._attempts),
        )
        return filesystem, f"{authority}/{path}".rstrip("/")


PLUGIN = S3Storage
