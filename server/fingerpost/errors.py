"""Every error that Fingerpost raises on purpose, on both sides of the wire.

    FingerpostError
    ├── InvalidRequest       INVALID_ARGUMENT     the caller must change the request
    ├── Unauthenticated      UNAUTHENTICATED      it is not known who calls
    ├── PermissionDenied     PERMISSION_DENIED    whoever calls may not do that
    ├── NotFound             NOT_FOUND            no such catalog or revision
    ├── FailedPrecondition   FAILED_PRECONDITION  someone must act first
    ├── Overloaded           RESOURCE_EXHAUSTED   too much work; retry after a while
    ├── StorageFull          RESOURCE_EXHAUSTED   no room to store
    ├── Conflict             ABORTED              another change came first; read again
    ├── Unavailable          UNAVAILABLE          retry here later or elsewhere
    ├── DeadlineExceeded     DEADLINE_EXCEEDED    the time ran out
    ├── DataLoss             DATA_LOSS            a stored artefact failed verification
    └── InternalError        INTERNAL             a fault of ours

The server maps the class to a gRPC code in `rpc/status.py`, and the client maps the code back to the class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ErrorReason(StrEnum):
    """Machine-readable cause: the names of `ErrorReason` in `error_reason.proto` without their prefix."""

    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    INVALID_FIELD = "INVALID_FIELD"
    PROMPT_EMPTY = "PROMPT_EMPTY"
    PROMPT_TOO_LARGE = "PROMPT_TOO_LARGE"
    BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
    ENCODER_MISMATCH = "ENCODER_MISMATCH"
    DIMENSION_MISMATCH = "DIMENSION_MISMATCH"
    CATALOG_NOT_FOUND = "CATALOG_NOT_FOUND"
    NO_ACTIVE_REVISION = "NO_ACTIVE_REVISION"
    OVERLOADED = "OVERLOADED"
    RATE_LIMITED = "RATE_LIMITED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    STOPPING = "STOPPING"
    EMBEDDING_INVALID = "EMBEDDING_INVALID"
    INTERNAL = "INTERNAL"
    STORAGE_FULL = "STORAGE_FULL"
    ARTEFACT_CORRUPT = "ARTEFACT_CORRUPT"
    ARTEFACT_INCOMPATIBLE = "ARTEFACT_INCOMPATIBLE"
    ENCODER_UNAVAILABLE = "ENCODER_UNAVAILABLE"
    GENERATION_CONFLICT = "GENERATION_CONFLICT"
    ROUTE_FILES_INVALID = "ROUTE_FILES_INVALID"
    REVISION_NOT_FOUND = "REVISION_NOT_FOUND"
    ADDRESS_UNAVAILABLE = "ADDRESS_UNAVAILABLE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    AUTHENTICATION_REQUIRED = "AUTHENTICATION_REQUIRED"
    TOO_MANY_ATTEMPTS = "TOO_MANY_ATTEMPTS"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    STORE_CORRUPT = "STORE_CORRUPT"
    STORE_BEHIND = "STORE_BEHIND"
    STORE_INCOMPATIBLE = "STORE_INCOMPATIBLE"
    AUDIT_BROKEN = "AUDIT_BROKEN"
    REVISION_ALREADY_ACTIVE = "REVISION_ALREADY_ACTIVE"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    SELF_APPROVAL = "SELF_APPROVAL"
    PROPOSAL_NOT_FOUND = "PROPOSAL_NOT_FOUND"
    PROPOSAL_CLOSED = "PROPOSAL_CLOSED"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    ARTEFACTS_UNAVAILABLE = "ARTEFACTS_UNAVAILABLE"
    NO_MODEL_FITS = "NO_MODEL_FITS"
    DECISION_UNKNOWN = "DECISION_UNKNOWN"
    REPORT_LATE = "REPORT_LATE"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    BUDGET_LEASE_UNAVAILABLE = "BUDGET_LEASE_UNAVAILABLE"
    NO_HEALTHY_MODEL = "NO_HEALTHY_MODEL"
    MODELS_RATE_LIMITED = "MODELS_RATE_LIMITED"
    BUDGET_NOT_FOUND = "BUDGET_NOT_FOUND"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    EXPERIMENT_NOT_FOUND = "EXPERIMENT_NOT_FOUND"
    SERVER_REQUIRED = "SERVER_REQUIRED"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field that is wrong: its path in the request and what is wrong with it."""

    field: str
    description: str


class FingerpostError(Exception):
    """Root of the tree; raised only through its subclasses."""

    default_reason = ErrorReason.INTERNAL

    def __init__(
        self,
        message: str,
        reason: str | None = None,
        *,
        fields: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        """Say what happened and what to do.

        Args:
            message: One sentence for people; it must hold no prompt, path or secret when it can leave the process
                over the wire.
            reason: An `ErrorReason`; a plain string only where a newer server names one that this client lacks.
            fields: Which fields of the request are wrong.
            metadata: Every variable of the message, for machines.
            retry_after_ms: When to try again; None where a retry does not help.
        """
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.fields = tuple(fields)
        self.metadata = dict(metadata or {})
        self.retry_after_ms = retry_after_ms


class InvalidRequest(FingerpostError):
    default_reason = ErrorReason.INVALID_FIELD


class Unauthenticated(FingerpostError):
    default_reason = ErrorReason.UNAUTHENTICATED


class PermissionDenied(FingerpostError):
    default_reason = ErrorReason.PERMISSION_DENIED


class NotFound(FingerpostError):
    default_reason = ErrorReason.CATALOG_NOT_FOUND


class FailedPrecondition(FingerpostError):
    default_reason = ErrorReason.NO_ACTIVE_REVISION


class Overloaded(FingerpostError):
    default_reason = ErrorReason.OVERLOADED


class StorageFull(FingerpostError):
    default_reason = ErrorReason.STORAGE_FULL


class Conflict(FingerpostError):
    default_reason = ErrorReason.GENERATION_CONFLICT


class Unavailable(FingerpostError):
    default_reason = ErrorReason.STOPPING


class DeadlineExceeded(FingerpostError):
    default_reason = ErrorReason.DEADLINE_EXCEEDED


class DataLoss(FingerpostError):
    default_reason = ErrorReason.ARTEFACT_CORRUPT


class InternalError(FingerpostError):
    default_reason = ErrorReason.INTERNAL
