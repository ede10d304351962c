"""`POST /v1/documents`: takes documents in, and queues the job that indexes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from smartypants.api import limiting
from smartypants.api.accepting import Upload, Uploads, accept
from smartypants.api.bodies import JSON, Body, content_type, read_json, unsupported, validate
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
from smartypants.auth.roles import Permission
from smartypants.errors import (
    Conflict,
    EmbeddingModelMismatch,
    InvalidRequest,
    Unavailable,
    VectorStoreUnavailable,
)
from smartypants.ledger.acls import check_principal
from smartypants.settings import Settings
from smartypants.types import RelationKind

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


async def _upload(call: Call[Uploads, NoParams]) -> Response:
    await limiting.take_documents(call.request, len(call.body.documents))
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
