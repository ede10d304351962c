"""What an export consists of: `manifest.json`, written last, names and seals every file."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smartypants.errors import ExportInvalid, NotFound
from smartypants.protocols import BlobStore
from smartypants.transfer.belongings import Belongings, PromptRow, RecipeRow

NAME = "manifest.json"
FORMAT = "smartypants-collection"
VERSION = 1

Kind = Literal["documents", "versions", "relations", "chunks", "texts", "raw"]


class File(BaseModel):
    """A Parquet file of the export."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z]+-[0-9]{5}\.parquet$")
    kind: Kind
    rows: int = Field(ge=0)
    size: int = Field(ge=0)
    blake2b: str


class SourceRow(BaseModel):
    """A source that documents of the export came from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    kind: str
    uri: str


class Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["smartypants-collection"]
    version: Literal[1]
    collection: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    embedding_model: str
    dimension: int = Field(ge=1)
    created_at: float
    documents: int = Field(ge=0)
    chunks: int = Field(ge=0)
    sources: list[SourceRow]
    recipe: RecipeRow | None = None
    prompts: list[PromptRow] | None = None
    safety: dict[str, Any] | None = None
    files: list[File]

    @property
    def belongings(self) -> Belongings:
        return Belongings(recipe=self.recipe, prompts=self.prompts, safety=self.safety)

    def of(self, kind: Kind) -> list[File]:
        return [file for file in self.files if file.kind == kind]


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def load(folder: BlobStore) -> Manifest:
    """Raises `ExportInvalid` if there is none, or not one of ours."""
    try:
        data = folder.get(NAME)
    except NotFound as exc:
        raise ExportInvalid(
            f"There is no {NAME}: this is no export, or one that did not end.", "Export again."
        ) from exc
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ExportInvalid(
            f"{NAME} is damaged, or of a version that is not known here: {where}: {first['msg']}",
            "Export again, or import with the version that exported it.",
        ) from exc


def sealed(folder: BlobStore, file: File) -> bytes:
    """The file's bytes. Raises `ExportInvalid` unless they are those that were exported."""
    try:
        data = folder.get(file.name)
    except NotFound as exc:
        raise ExportInvalid(f"{file.name} is missing.", "Copy the whole export.") from exc
    if len(data) != file.size or digest(data) != file.blake2b:
        raise ExportInvalid(
            f"{file.name} is not what was exported.", "Copy it again, or export again."
        )
    return data
