"""`POST /v1/documents`: takes documents in, and queues the job that indexes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import anyio.to_thread
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from sqlalchemy import Engine
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from smartypants.api import access
from smartypants.api.bodies import JSON, Body, content_type, read_json, unsupported, validate
from smartypants.api.collections import ensure
from smartypants.api.fields import (
    CollectionName,
    DocumentName,
    MediaTypeName,
    Metadata,
    NoParams,
    RequestBody,
    Title,
    no_controls,
)
from smartypants.api.problems import FieldError, InvalidFields
from smartypants.api.routing import AnyRoute, Call, Route, json_response
from smartypants.api.services import Services
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.connectors.uploads import URI, UploadsConnector
from smartypants.errors import (
    Conflict,
    EmbeddingModelMismatch,
    InvalidRequest,
    Unavailable,
    VectorStoreUnavailable,
)
from smartypants.ledger import acls, collections, documents, jobs, listing
from smartypants.ledger.acls import check_principal
from smartypants.settings import Settings
from smartypants.types import PUBLIC, DocumentRef, RelationKind

MULTIPART = "multipart/form-data"
MAX_DOCUMENTS = 1000
MAX_RELATIONS = 100
MAX_PRINCIPALS = 1000
_UNKNOWN_TYPES = ("", "application/octet-stream")  # what clients send who do not know


Principals = Annotated[
    list[Annotated[str, StringConstraints(max_length=300), AfterValidator(no_controls)]],
    Field(
        max_length=MAX_PRINCIPALS,
        description="Who may read the documents: `user:NAME`, `group:NAME`, or `public` for all "
        "who may read the collection. Default: as before; `public` for new ones.",
    ),
]


class StatedRelation(RequestBody):
    """What a document is to another upload of the collection, there already or not yet."""

    kind: Literal["attachment_of", "reply_to", "part_of"]
    name: DocumentName


class TextDocument(RequestBody):
    """A document given as text."""

    name: DocumentName
    text: str
    media_type: MediaTypeName | None = Field(None, description="Default: by the name's ending.")
    title: Title | None = None
    metadata: Metadata = Field(default_factory=dict)
    relations: Annotated[list[StatedRelation], Field(max_length=MAX_RELATIONS)] = Field(
        default_factory=list
    )


class DocumentsRequest(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"documents": [{"name": "notes.md", "text": "# Notes\n\nBuy tea."}]}]
        }
    )

    collection: CollectionName | None = None
    principals: Principals | None = None
    documents: Annotated[list[TextDocument], Field(min_length=1, max_length=MAX_DOCUMENTS)]


def _file_metadata(value: str) -> str:
    try:
        json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise ValueError("must be a JSON object of strings") from exc
    return value


class _File(RequestBody):
    """What a file part says of itself."""

    name: DocumentName
    media_type: MediaTypeName | None


class _Metadata(RequestBody):
    metadata: Metadata


class UploadForm(RequestBody):
    """Files; the metadata goes to each of them."""

    files: Annotated[
        list[object],
        Field(min_length=1, max_length=MAX_DOCUMENTS),
        WithJsonSchema({"type": "array", "items": {"type": "string", "format": "binary"}}),
    ]
    collection: CollectionName | None = None
    principals: Principals | None = None
    metadata: Annotated[str, AfterValidator(_file_metadata)] | None = Field(
        None, description="A JSON object of strings.", examples=['{"title": "Annual report"}']
    )


@dataclass(frozen=True, slots=True)
class Upload:
    """A document as it came in, by either way."""

    name: str
    data: bytes = field(repr=False)
    media_type: str | None
    metadata: Mapping[str, str]
    relations: tuple[tuple[RelationKind, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Uploads:
    """`principals` is None where they stay as they were."""

    collection: str
    documents: tuple[Upload, ...]
    principals: tuple[str, ...] | None = None


async def read_uploads(request: Request, settings: Settings) -> Uploads:
    """Raises `UnsupportedMediaType`, `InvalidRequest` or `InvalidFields`."""
    kind = content_type(request)
    if kind == JSON:
        uploads = _from_json(await read_json(request, DocumentsRequest, settings), settings)
    elif kind == MULTIPART:
        async with request.form(max_files=MAX_DOCUMENTS, max_fields=100) as form:
            uploads = await _from_form(form, settings)
    else:
        raise unsupported(request, JSON, MULTIPART)
    seen: set[str] = set()
    for number, item in enumerate(uploads.documents):
        if item.name in seen:
            where = f"/documents/{number}/name" if kind == JSON else f"/files/{number}"
            raise _wrong(where, f"another document of this request is named {item.name!r}")
        seen.add(item.name)
    return uploads


def _wrong(path: str, message: str) -> InvalidFields:
    return InvalidFields(f"{path}: {message}", "", (FieldError(path=path, message=message),))


def _from_json(body: DocumentsRequest, settings: Settings) -> Uploads:
    documents = []
    for item in body.documents:
        title = {"title": item.title} if item.title else {}
        metadata = {**item.metadata, **title}
        relations = tuple((RelationKind(other.kind), other.name) for other in item.relations)
        documents.append(
            Upload(item.name, item.text.encode(), item.media_type, metadata, relations)
        )
    return _uploads(body.collection, documents, body.principals, settings)


def _uploads(
    collection: str | None,
    documents: Sequence[Upload],
    principals: Sequence[str] | None,
    settings: Settings,
) -> Uploads:
    """Raises `ValidationFailed` for what is no principal."""
    for principal in principals or ():
        check_principal(principal)
    chosen = None if principals is None else tuple(principals)
    return Uploads(collection or settings.default_collection, tuple(documents), chosen)


async def _from_form(form: FormData, settings: Settings) -> Uploads:
    fields: dict[str, object] = {"files": form.getlist("files")}
    for name in form:
        values = form.getlist(name)
        if name == "principals":
            fields[name] = values
        elif name != "files":
            if len(values) > 1:
                raise _wrong(f"/{name}"[:200], "must be given once")
            fields[name] = values[0]
    checked = validate(UploadForm, fields, settings)
    given = json.loads(checked.metadata) if checked.metadata else {}
    metadata = validate(_Metadata, {"metadata": given}, settings).metadata
    documents = []
    for number, part in enumerate(checked.files):
        if not isinstance(part, UploadFile):
            raise _wrong(f"/files/{number}", "must be a file: give it a filename")
        kind = (part.content_type or "").partition(";")[0].strip().lower()
        said = {"name": part.filename, "media_type": None if kind in _UNKNOWN_TYPES else kind}
        try:
            file = validate(_File, said, settings)
        except InvalidFields as exc:
            wrong = exc.errors[0]
            raise _wrong(f"/files/{number}{wrong.path}", wrong.message) from exc
        documents.append(Upload(file.name, await part.read(), file.media_type, metadata))
    return _uploads(checked.collection, documents, checked.principals, settings)


class AcceptedDocument(BaseModel):
    id: str
    name: str


class AcceptedDocuments(BaseModel):
    """The job that indexes them; `GET /v1/jobs/{id}` says how far it is."""

    job_id: str
    documents: list[AcceptedDocument]


def accept(services: Services, uploads: Uploads, caller: Caller) -> tuple[str, list[DocumentRef]]:
    """Keep the bytes, note the documents, then queue the job: a crash in between loses nothing
    that was acknowledged, and the next upload's job picks up what was noted.

    Raises `Conflict` for the name of a document that the caller may not read.
    """
    engine, name = services.engine, uploads.collection
    if all(item.name != name for item in collections.every(engine)):
        caller.check(Permission.COLLECTIONS_WRITE, name)
    connector = UploadsConnector(collection=name, blobs=services.blobs)
    principals = _principals(engine, uploads, connector, caller)
    ensure(services, name)
    listing.register_source(
        engine, source_id=connector.source_id, collection=name, kind="uploads", uri=URI
    )
    refs = [
        connector.accept(
            item.data,
            name=item.name,
            media_type=item.media_type,
            metadata=item.metadata,
            principals=principals[item.name],
            relations=item.relations,
        )
        for item in uploads.documents
    ]
    job_id = uuid.uuid4().hex
    listing.list_documents(
        engine,
        refs,
        collection=name,
        job_id=job_id,
        max_attempts=services.settings.ingest.max_attempts,
    )
    params = {"connector": "uploads", "uri": URI}
    jobs.submit(engine, "ingest", name, params, job_id=job_id, submitted_by=caller.id)
    return job_id, refs


def _principals(
    engine: Engine, uploads: Uploads, connector: UploadsConnector, caller: Caller
) -> dict[str, tuple[str, ...]]:
    """Who may read each document from now on, by name.

    Whoever replaces a document decides who reads what is left of it until it is indexed.
    """
    ids = {connector.document_id(item.name): item.name for item in uploads.documents}
    known = documents.by_id(engine, ids)
    allowed = access.acl_ids(engine, caller)
    for row in known.values():
        if row.acl_id not in allowed:
            raise Conflict(f"The name {row.name!r} can't be used.", "Choose another.")
    before = acls.principals(engine, {row.acl_id for row in known.values()})
    return {
        name: uploads.principals
        if uploads.principals is not None
        else (before[known[document_id].acl_id] if document_id in known else (PUBLIC,))
        for document_id, name in ids.items()
    }


async def _upload(call: Call[Uploads, NoParams]) -> Response:
    job_id, refs = await anyio.to_thread.run_sync(accept, call.services, call.body, call.caller)
    accepted = AcceptedDocuments(
        job_id=job_id,
        documents=[AcceptedDocument(id=ref.document_id, name=ref.name) for ref in refs],
    )
    return json_response(accepted, status=202, headers={"Location": f"/v1/jobs/{job_id}"})


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="POST",
        path="/v1/documents",
        tag="Documents",
        summary="Upload documents",
        permission=Permission.DOCUMENTS_WRITE,
        collection=lambda call: call.body.collection,
        handler=_upload,
        body=Body(read_uploads, {JSON: DocumentsRequest, MULTIPART: UploadForm}),
        params=NoParams,
        response=AcceptedDocuments,
        status=202,
        errors=(
            InvalidRequest,
            Conflict,
            EmbeddingModelMismatch,
            Unavailable,
            VectorStoreUnavailable,
        ),
    ),
)
