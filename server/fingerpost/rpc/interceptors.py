"""The boundary of every call: parse, name, time, run, serialise; errors of ours become statuses, all else INTERNAL.

The library answers UNKNOWN, with the exception's text, to whatever a handler or a (de)serialiser raises. So each
handler is rebuilt here without (de)serialisers, and nothing runs outside this boundary's `try`.
"""

import asyncio
import inspect
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError, EncodeError

from fingerpost.errors import (
    DeadlineExceeded,
    ErrorReason,
    FieldViolation,
    FingerpostError,
    InternalError,
    InvalidRequest,
)
from fingerpost.rpc.authentication import Gate
from fingerpost.rpc.call import CALL, Call, Observer
from fingerpost.rpc.status import code_of, to_status

_log = structlog.get_logger(__name__)

_Context = grpc.aio.ServicerContext[Any, Any]
_Handler = Any  # grpc.RpcMethodHandler; its types depend on the method, and the boundary treats all alike

REQUEST_ID_KEY = "x-request-id"
DEADLINE_KEY = "x-fingerpost-default-deadline-ms"
_REQUEST_ID_LENGTH = 128


class Boundary(grpc.aio.ServerInterceptor):
    """Wraps every handler, the health and reflection services' too, each once."""

    def __init__(self, default_deadline_ms: int, observers: Sequence[Observer] = (), gate: Gate | None = None) -> None:
        """Wrap nothing yet.

        Args:
            default_deadline_ms: Time of a call that sets none.
            observers: Hear of unary calls that are over.
            gate: Says who may call what; None: everybody everything.
        """
        self._default_deadline_ms = default_deadline_ms
        self._observers = observers
        self._gate = gate
        self._rebuilt: dict[str, _Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Rebuild the handler; an unknown method stays UNIMPLEMENTED, answered by the library."""
        method = handler_call_details.method
        rebuilt = self._rebuilt.get(method)
        if rebuilt is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            rebuilt = self._rebuilt[method] = self._rebuild(handler, method)
        return rebuilt

    def _rebuild(self, handler: _Handler, method: str) -> _Handler:
        if handler.request_streaming:
            return self._rebuilt_bidirectional(handler, method)
        if handler.response_streaming:
            return self._rebuilt_server_stream(handler, method)
        return self._rebuilt_unary(handler, method)

    def _rebuilt_unary(self, handler: _Handler, method: str) -> _Handler:
        async def behaviour(data: bytes, context: _Context) -> bytes:
            call = Call(method, time.monotonic())
            CALL.set(call)
            code = grpc.StatusCode.CANCELLED
            try:
                if self._gate is not None:
                    call.principal = await self._gate.admit(method, context)
                request = _parse(handler, data)
                call.request_id = _request_id(request)
                time_left = self._time_left(context)
                call.deadline = call.started + time_left
                async with asyncio.timeout(time_left):
                    reply = await handler.unary_unary(request, context)
                reply_bytes = _serialise(handler, reply)
                code = grpc.StatusCode.OK
                return reply_bytes
            except grpc.aio.AbortError:  # the library's own services end calls so
                code = context.code()
                raise
            except Exception as error:
                call.request_id = call.request_id or _new_id()
                known = _known(error, call.request_id)
                call.errors.append(known)
                code = code_of(known)
                await _refuse(context, known, call.request_id)
                raise
            finally:
                for observer in self._observers:
                    observer.finished(call, code, context.invocation_metadata)

        return grpc.unary_unary_rpc_method_handler(behaviour, None, None)

    def _rebuilt_server_stream(self, handler: _Handler, method: str) -> _Handler:
        async def behaviour(data: bytes, context: _Context) -> None:
            request_id, writing = _new_id(), _Writing(handler, context)
            try:
                if self._gate is not None:
                    await self._gate.admit(method, context)
                replies = handler.unary_stream(_parse(handler, data), writing)
                if inspect.isawaitable(replies):  # as the health service's Watch is
                    await replies
                else:
                    async for reply in replies:
                        await writing.write(reply)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001
                await _refuse(context, _known(error, request_id), request_id)

        return grpc.unary_stream_rpc_method_handler(behaviour, None, None)

    def _rebuilt_bidirectional(self, handler: _Handler, method: str) -> _Handler:
        async def behaviour(messages: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
            async def requests() -> AsyncIterator[Any]:
                async for data in messages:
                    yield _parse(handler, data)

            request_id = _new_id()
            try:
                if self._gate is not None:
                    await self._gate.admit(method, context)
                async for reply in handler.stream_stream(requests(), context):
                    yield _serialise(handler, reply)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001
                await _refuse(context, _known(error, request_id), request_id)

        return grpc.stream_stream_rpc_method_handler(behaviour, None, None)

    def _time_left(self, context: _Context) -> float:
        """Seconds until the caller's deadline, or the default, which is then told in the trailing metadata.

        Raises:
            DeadlineExceeded: it had passed on arrival.
        """
        left = context.time_remaining()
        if left is None:
            context.set_trailing_metadata(((DEADLINE_KEY, str(self._default_deadline_ms)),))
            return self._default_deadline_ms / 1000
        if left <= 0:
            raise DeadlineExceeded("the call's deadline had passed on arrival", metadata={"stage": "arrival"})
        return float(left)


class _Writing:
    """A call's context that takes messages, not bytes, for handlers that write replies instead of yielding them."""

    def __init__(self, handler: _Handler, context: _Context) -> None:
        self._handler = handler
        self._context = context

    async def write(self, reply: Any) -> None:  # noqa: ANN401
        await self._context.write(_serialise(self._handler, reply))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._context, name)


async def _refuse(context: _Context, error: FingerpostError, request_id: str) -> None:
    """End the call with the status of the error."""
    status = to_status(error, request_id)
    metadata = (*(status.trailing_metadata or ()), *(context.trailing_metadata() or ()), (REQUEST_ID_KEY, request_id))
    await context.abort(code_of(error), error.message, metadata)


def _known(error: Exception, request_id: str) -> FingerpostError:
    if isinstance(error, FingerpostError):
        return error
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(
            "the time for the call ran out: retry with a longer deadline", metadata={"stage": "handler"}
        )
    # The type alone: an exception's text may hold the prompt.
    _log.error("call_failed", request_id=request_id, error=type(error).__name__, trace=_places(error))
    return InternalError("a fault of the server: report it with the request id")


def _places(error: Exception) -> list[str]:
    """Where it was raised, innermost last, without any values."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return places[-8:]


def _parse(handler: _Handler, data: bytes) -> Any:  # noqa: ANN401
    try:
        return handler.request_deserializer(data)
    except (DecodeError, UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest(
            "the bytes are no message of this method: use stubs generated from the proto files, and UTF-8 in strings",
            ErrorReason.MALFORMED_REQUEST,
        ) from error


def _serialise(handler: _Handler, reply: Any) -> bytes:  # noqa: ANN401
    try:
        return bytes(handler.response_serializer(reply))
    except EncodeError as error:
        raise InternalError("the reply could not be serialised: report it with the request id") from error


def _new_id() -> str:
    return secrets.token_hex(8)


def _request_id(request: Any) -> str:  # noqa: ANN401
    """The caller's id for the call, or a new one; a message that wraps a request takes the request's."""
    inner = getattr(request, "request", request)
    given = getattr(inner, "request_id", "")
    if not given:
        return _new_id()
    if len(given) > _REQUEST_ID_LENGTH or not (given.isascii() and given.isprintable()):
        description = f"at most {_REQUEST_ID_LENGTH} printable ASCII characters"
        raise InvalidRequest(f"request_id: {description}", fields=[FieldViolation("request_id", description)])
    return str(given)
