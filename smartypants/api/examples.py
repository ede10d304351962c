"""Examples of what the API takes and answers, put together from the models' own schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, JsonValue

M = TypeVar("M", bound=BaseModel)

_TYPES: Final = {
    str: "string", bool: "boolean", int: "integer", float: "number", dict: "object",
    type(None): "null",
}  # fmt: skip
_WHEN: Final = "2026-11-25T13:00:00Z"
_ID: Final = "0f343b0931126a2063c8b8d0a9ab8a5e"
_MINILM: Final = "sentence-transformers/all-MiniLM-L6-v2"
_LLM: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
_ANN: Final = "ann@example.com"

SAMPLES: Final[Mapping[str, JsonValue]] = {
    "AnswerWarning.code": "secret_removed",
    "AnswerWarning.message": "A secret was left out.",
    "ApiKey.name": "notebook",
    "ChatCompletion.id": "chatcmpl-0f343b0931126a20",
    "ChatCompletionChunk.id": "chatcmpl-0f343b0931126a20",
    "ChunkDelta.content": "Three",
    "ChunkDelta.role": "assistant",
    "Collection.name": "contracts",
    "ConversationTurn.state": "finished",
    "DocumentFailure.code": "document_unreadable",
    "Group.name": "legal",
    "Job.state": "succeeded",
    "JobWithFailures.state": "succeeded",
    "Me.kind": "person",
    "Me.name": _ANN,
    "Model.id": _LLM,
    "NewApiKey.name": "notebook",
    "variables": "question",
    "Token.text": "Three",
    "Source.kind": "objects",
    "Source.uri": "s3://contracts/2026/",
    "TraceStep.detail": "12 hits",
    "TraceStep.name": "dense",
    "UnderstoodQuery.text": "notice period",
    "UsedPrompt.name": "answer",
    "UserDescription.kind": "person",
    "UserDescription.name": _ANN,
    "answer": "Three months. [1]",
    "authenticated_by": "key",
    "authors": "Ann Smith",
    "cached": False,
    "changed_by": _ANN,
    "chunks": 8,
    "collection": "contracts",
    "content": "Three months.",
    "created": 1764075600,
    "created_by": _ANN,
    "csrf_token": None,
    "deleted": 0,
    "dimension": 384,
    "disabled": False,
    "display_name": "Ann Smith",
    "email": _ANN,
    "embedding": 0.0625,
    "embedding_model": _MINILM,
    "end": 153,
    "error": None,
    "etag": "1764075600-2048",
    "evidence": None,
    "expires_at": None,
    "failed": 0,
    "finish_reason": "stop",
    "groups": "legal",
    "index": 0,
    "indexed": 12,
    "issuers": "okta",
    "key": "sp_0f343b0931126a20_EXAMPLE",
    "kind": "ingest",
    "language": "en",
    "logprobs": None,
    "media_type": "text/markdown",
    "media_types": "text/markdown",
    "model": _LLM,
    "mode": "generated",
    "name": "lease.md",
    "next_cursor": None,
    "not_before": None,
    "note": "Shorter.",
    "origin": "local",
    "owned_by": "smartypants",
    "page": "3",
    "passage": "Three months.",
    "pending": 0,
    "permissions": "documents:read",
    "phrases": "notice period",
    "principal": "group:legal",
    "principals": "group:legal",
    "progress": {"done": 12, "failed": 0, "chunks": 96},
    "prompt_version": "3b1f0c9e7d5a4e62",
    "question": "What is the notice period?",
    "refusal": None,
    "relevance_score": 0.83,
    "relation": "attachment_of",
    "replaced_at": None,
    "replaced_by": None,
    "restores": None,
    "retry_at": None,
    "revoked_at": None,
    "role": "reader",
    "scopes": "documents:read",
    "score": 0.83,
    "scores": {"dense": 0.83},
    "section": "Lease > Notice",
    "size": 2048,
    "start": 140,
    "state": "indexed",
    "support": 0.92,
    "text": "Three months.",
    "timings_ms": {"search": 18.4},
    "title": "Lease",
    "tokens": 412,
    "total_tokens": 2,
    "uri": "upload:lease.md",
    "user": _ANN,
    "variants": "termination of a lease",
    "version": "3b1f0c9e7d5a4e62",
    "waiting": None,
    "warnings": "Authentication is off.",
    "withheld": False,
}
"""By the name of a field, or of a model's field; for a list, one of its items."""


def example(model: type[BaseModel]) -> Any:
    """The model's own example, or one value for each of its fields."""
    schema = model.model_json_schema()
    return _value("", "", schema, schema.get("$defs", {}))


def instance(model: type[M]) -> M:
    return model.model_validate(example(model))


def _value(owner: str, name: str, schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """For a field of the model `owner`. Raises `LookupError` where nobody has thought of one."""
    schema = _resolved(schema, known)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    options = [_resolved(option, known) for option in schema.get("anyOf", [schema])]
    for key in (f"{owner}.{name}", name):
        if key in SAMPLES and any(_fits(SAMPLES[key], option) for option in options):
            return SAMPLES[key]
    if "default" in schema:
        return schema["default"]
    return _of_type(owner, name, options[0], known)


def _resolved(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    return {**known[reference.rsplit("/", 1)[-1]], **schema, "$ref": None}


def _fits(sample: JsonValue, schema: Mapping[str, Any]) -> bool:
    if "const" in schema or "enum" in schema:
        return sample in schema.get("enum", [schema.get("const")])
    same = schema.get("type") == _TYPES[type(sample)]
    return same and "format" not in schema and "properties" not in schema


def _of_type(owner: str, name: str, schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            model = schema.get("title", "")
            return {field: _value(model, field, inner, known) for field, inner in fields.items()}
        case "array":
            return [_value(owner, name, schema["items"], known)]
        case "string" if schema.get("format") == "date-time":
            return _WHEN
        case "string" if schema.get("format") == "binary":
            return "# Lease"
        case "string" if name.endswith(("id", "ids")):
            return _ID
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", 1)
    raise LookupError(f"There is no example for {owner}.{name}: add one to SAMPLES.")
