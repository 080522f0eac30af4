"""Status: the one place where errors become gRPC codes, and details that machines can read."""

from collections.abc import Iterator

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from fingerpost import errors

DOMAIN = "fingerpost"

CODES: dict[type[errors.FingerpostError], grpc.StatusCode] = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StorageFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.DataLoss: grpc.StatusCode.DATA_LOSS,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}

_MESSAGE_CHARACTERS = 1024  # details travel in metadata, whose soft limit is 8 KiB
_FIELDS = 8
_PUSHBACK = "grpc-retry-pushback-ms"


def code_of(error: errors.FingerpostError) -> grpc.StatusCode:
    """The gRPC code of the nearest class in the tree; INTERNAL for the root itself."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), grpc.StatusCode.INTERNAL)


def to_status(error: errors.FingerpostError, request_id: str) -> grpc.Status:
    """A status with exactly one ErrorInfo, and BadRequest, RetryInfo and push-back where they help."""
    message = status_pb2.Status(code=code_of(error).value[0], message=error.message[:_MESSAGE_CHARACTERS])
    for detail in _details(error, request_id):
        message.details.add().Pack(detail)
    status: grpc.Status = rpc_status.to_status(message)
    return status if error.retry_after_ms is None else _WithPushback(status, error.retry_after_ms)


def _details(error: errors.FingerpostError, request_id: str) -> Iterator[Message]:
    metadata = {**error.metadata, "request_id": request_id}
    yield error_details_pb2.ErrorInfo(reason=str(error.reason), domain=DOMAIN, metadata=metadata)
    if error.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
            for v in error.fields[:_FIELDS]
        ]
        yield error_details_pb2.BadRequest(field_violations=violations)
    if error.retry_after_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        yield error_details_pb2.RetryInfo(retry_delay=delay)


class _WithPushback(grpc.Status):
    """A status that also tells gRPC's own retry logic when to come back."""

    def __init__(self, status: grpc.Status, retry_after_ms: int) -> None:
        self.code = status.code
        self.details = status.details
        self.trailing_metadata = (*(status.trailing_metadata or ()), (_PUSHBACK, str(retry_after_ms)))
