"""Every error of ours: a stable code, an HTTP status, and whether trying again may help.

    SmartyPantsError
    ├── InvalidRequest            400  the caller can mend it
    │   ├── ValidationFailed      422  a field is wrong
    │   ├── PayloadTooLarge       413
    │   ├── IdempotencyKeyReused  422  with another request
    │   ├── ExportInvalid              files to import are damaged or missing
    │   ├── PromptInvalid         422  a template breaks a rule; says where
    │   ├── PromptTooLong         422  a template leaves no room for passages
    │   └── UnsupportedMediaType  415
    ├── NotAuthenticated          401  the caller has to say who it is
    │   ├── CredentialsInvalid         what it said is wrong, expired or revoked
    │   └── LoginFailed
    ├── Forbidden                 403  the caller is known, and may not
    ├── NotFound                  404
    │   ├── CollectionNotFound
    │   ├── DocumentNotFound
    │   ├── SourceNotFound
    │   ├── JobNotFound
    │   ├── ConversationNotFound
    │   ├── TurnNotFound
    │   ├── ModelNotServed
    │   ├── UserNotFound
    │   ├── ApiKeyNotFound
    │   └── PromptNotFound
    ├── Conflict                  409
    │   ├── EmbeddingModelMismatch
    │   ├── FilterNotSupported
    │   ├── TurnInProgress             one at a time is answered in a conversation
    │   ├── ConversationFull
    │   ├── RequestInProgress          the same, with the same idempotency key
    │   └── PruneRefused
    ├── PreconditionFailed        412  another version is there than the caller knows
    ├── DocumentError             422  one document can't be indexed; the others go on
    │   ├── DocumentUnreadable         encrypted, corrupt, vanished …
    │   ├── DocumentTooLarge
    │   └── DocumentTimeout
    ├── Unavailable               503  retryable: a part is down or overloaded
    │   ├── Overloaded            429
    │   ├── LedgerUnavailable
    │   ├── StorageUnavailable
    │   ├── VectorStoreUnavailable
    │   ├── LLMUnavailable
    │   ├── EmbedderUnavailable
    │   └── IssuerUnavailable
    ├── RateLimited               429  retryable: the caller asks for more than it may
    │   └── QuotaSpent                 of a day or month
    ├── DeadlineExceeded          504
    └── SetupError                500  the installation or its settings are wrong
        ├── ModelNotFound
        ├── EmbeddingDimensionMismatch
        ├── PluginNotFound
        ├── StorageDenied              wrong credentials, or too few rights
        ├── NotRunning
        └── PortTaken

Errors cross process borders, so each takes its message (and hint) as positional arguments and
passes them to `super().__init__`. A message says what went wrong and with which thing; the
hint says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class SmartyPantsError(Exception):
    """The root: catch it to catch everything that we raise on purpose."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    retry_after_s: float | None = None
    """When trying again is likely to help, where that is known."""
    retried: bool = False
    """Whether it was tried again already, as often as is wise."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidRequest(SmartyPantsError):
    code = "invalid_request"
    status = 400
    title = "The request is not valid"


class ValidationFailed(InvalidRequest):
    code = "validation_failed"
    status = 422
    title = "A field of the request is not valid"


class PayloadTooLarge(InvalidRequest):
    code = "payload_too_large"
    status = 413
    title = "The request is too large"


class IdempotencyKeyReused(InvalidRequest):
    code = "idempotency_key_reused"
    status = 422
    title = "The idempotency key was used for another request"


class ExportInvalid(InvalidRequest):
    code = "export_invalid"
    title = "The export can't be imported"


class PromptInvalid(InvalidRequest):
    code = "prompt_invalid"
    status = 422
    title = "The prompt's template is not valid"


class PromptTooLong(InvalidRequest):
    code = "prompt_too_long"
    status = 422
    title = "The prompt's template is too long for the language model"


class UnsupportedMediaType(InvalidRequest):
    code = "unsupported_media_type"
    status = 415
    title = "The content type is not supported"


class NotAuthenticated(SmartyPantsError):
    code = "not_authenticated"
    status = 401
    title = "Authentication is needed"


class CredentialsInvalid(NotAuthenticated):
    code = "credentials_invalid"
    title = "The credentials are not valid"


class LoginFailed(NotAuthenticated):
    code = "login_failed"
    title = "The login did not succeed"


class Forbidden(SmartyPantsError):
    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFound(SmartyPantsError):
    code = "not_found"
    status = 404
    title = "Not found"


class CollectionNotFound(NotFound):
    code = "collection_not_found"
    title = "No such collection"


class DocumentNotFound(NotFound):
    code = "document_not_found"
    title = "No such document"


class SourceNotFound(NotFound):
    code = "source_not_found"
    title = "No such source"


class JobNotFound(NotFound):
    code = "job_not_found"
    title = "No such job"


class ConversationNotFound(NotFound):
    code = "conversation_not_found"
    title = "No such conversation"


class TurnNotFound(NotFound):
    code = "turn_not_found"
    title = "No such turn of the conversation"


class ModelNotServed(NotFound):
    code = "model_not_found"
    title = "No such model"


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "No such user"


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"
    title = "No such API key"


class PromptNotFound(NotFound):
    code = "prompt_not_found"
    title = "No such version of a prompt"


class Conflict(SmartyPantsError):
    code = "conflict"
    status = 409
    title = "The request conflicts with the present state"


class EmbeddingModelMismatch(Conflict):
    code = "embedding_model_mismatch"
    title = "The collection was embedded with another model"


class FilterNotSupported(Conflict):
    code = "filter_not_supported"
    title = "The collection was made before there was this filter"


class TurnInProgress(Conflict):
    code = "turn_in_progress"
    title = "Another turn of the conversation is being answered"
    retryable = True


class ConversationFull(Conflict):
    code = "conversation_full"
    title = "The conversation has as many turns as it may"


class RequestInProgress(Conflict):
    code = "request_in_progress"
    title = "The same request is being answered"
    retryable = True


class PreconditionFailed(SmartyPantsError):
    code = "precondition_failed"
    status = 412
    title = "It is not the version that the request names"


class PruneRefused(Conflict):
    code = "prune_refused"
    title = "Too large a share of a source would be deleted"


class DocumentError(SmartyPantsError):
    code = "document_failed"
    status = 422
    title = "The document could not be indexed"


class DocumentUnreadable(DocumentError):
    code = "document_unreadable"
    title = "The document could not be read"


class DocumentTooLarge(DocumentError):
    code = "document_too_large"
    title = "The document is too large"


class DocumentTimeout(DocumentError):
    code = "document_timeout"
    title = "Parsing the document took too long"


class Unavailable(SmartyPantsError):
    code = "unavailable"
    status = 503
    title = "A part of the system is not available"
    retryable = True


class Overloaded(Unavailable):
    code = "overloaded"
    status = 429
    title = "Too many requests at once"


class RateLimited(SmartyPantsError):
    code = "rate_limited"
    status = 429
    title = "A rate limit is reached"
    retryable = True


class QuotaSpent(RateLimited):
    code = "quota_spent"
    title = "A quota is spent"


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"
    title = "The ledger's database does not answer"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    title = "A store of documents or blobs does not answer"


class VectorStoreUnavailable(Unavailable):
    code = "vector_store_unavailable"
    title = "The vector store does not answer"


class LLMUnavailable(Unavailable):
    code = "llm_unavailable"
    title = "The language model does not answer"


class EmbedderUnavailable(Unavailable):
    code = "embedder_unavailable"
    title = "The embedding model does not answer"


class IssuerUnavailable(Unavailable):
    code = "issuer_unavailable"
    title = "The issuer of logins does not answer"


class DeadlineExceeded(SmartyPantsError):
    code = "deadline_exceeded"
    status = 504
    title = "The request's deadline passed"
    retryable = True


class SetupError(SmartyPantsError):
    code = "setup_error"
    title = "The installation or its settings are wrong"


class ModelNotFound(SetupError):
    code = "model_files_not_found"
    title = "The model's files could not be found"


class EmbeddingDimensionMismatch(SetupError):
    code = "embedding_dimension_mismatch"
    title = "The embedding model's vectors have another dimension than is set"


class PluginNotFound(SetupError):
    code = "plugin_not_found"
    title = "No such plugin"


class StorageDenied(SetupError):
    code = "storage_denied"
    title = "A store of documents or blobs refuses access"


class NotRunning(SetupError):
    code = "not_running"
    title = "The system is not running"


class PortTaken(SetupError):
    code = "port_taken"
    title = "The port is in use"
