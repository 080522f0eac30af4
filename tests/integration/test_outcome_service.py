"""The outcome service over a real listener: what is kept, whose it is, and what wrong input meets."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from fingerpost.access.editing import add_token
from fingerpost.client import AsyncClient, Client, Report, Reported
from fingerpost.errors import (
    ErrorReason,
    FailedPrecondition,
    FingerpostError,
    InvalidRequest,
    NotFound,
    Overloaded,
    PermissionDenied,
    StorageFull,
    Unauthenticated,
    Unavailable,
)
from fingerpost.rpc.permissions import NEEDED
from fingerpost.types import AccessRole, CallStatus, Report as OurReport, Verdict
from fingerpost.v1 import outcome_service_pb2 as pb
from fingerpost.v1.outcome_service_pb2_grpc import OutcomeServiceStub
from tests.controls import MemoryRecorder, outcomes_served
from tests.integration.test_identity import bearer
from tests.integration.test_tls import on_loop
from tests.serving import Refusal, refusal

_SERVICE = "/fingerpost.v1.OutcomeService/"
_ID = "0123456789abcdef" * 4


def _attempt(**given: Any) -> pb.FailedAttempt:
    return pb.FailedAttempt(**{"model": "small", "status": pb.CALL_STATUS_TIMEOUT, **given})


def message(**told: Any) -> pb.ReportOutcomeRequest:
    """A good report, but for what a test tells."""
    usual = {"decision_id": _ID, "model": "coder", "status": pb.CALL_STATUS_OK}
    return pb.ReportOutcomeRequest(report=pb.OutcomeReport(**{**usual, **told}))


@on_loop
async def test_everything_that_is_told_is_kept() -> None:
    """All fields reach the recorder, and come back as what stands, with what it counts for."""
    recorder = MemoryRecorder()
    told = pb.OutcomeReport(
        decision_id=_ID,
        model="big model/7b",
        status=pb.CALL_STATUS_RATE_LIMITED,
        input_tokens=0,
        output_tokens=1_000_000_000,
        cost_usd_micros=1_000_000_000_000,
        latency_ms=250,
        verdict=pb.VERDICT_UNDERPOWERED,
        score=0.0,
        label="é" * 64,
        retry_after_ms=30_000,
    )
    async with outcomes_served(recorder) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = OutcomeServiceStub(channel)
        request = pb.ReportOutcomeRequest(report=told, tenant="acme", request_id="mine")
        reply = await stub.ReportOutcome(request, timeout=10)
        again = await stub.ReportOutcome(message(decision_id=_ID, model="other"), timeout=10)
    [recorded] = recorder.kept.values()
    assert recorded.kept.report == OurReport(
        _ID,
        "big model/7b",
        CallStatus.RATE_LIMITED,
        0,
        1_000_000_000,
        1_000_000_000_000,
        250,
        Verdict.UNDERPOWERED,
        0.0,
        "é" * 64,
        30_000,
    )
    assert (recorded.kept.tenant, recorded.kept.caller) == ("acme", "")
    assert (reply.repeated, reply.kept, reply.request_id) == (False, told, "mine")
    assert (reply.cost_usd_micros, reply.cost_source) == (1_000_000_000_000, pb.COST_SOURCE_REPORTED)
    assert (again.repeated, again.kept) == (True, told), "the first stands"
    assert again.request_id


@on_loop
async def test_what_is_not_told_stays_unknown() -> None:
    """An absent number is not zero."""
    recorder = MemoryRecorder()
    async with outcomes_served(recorder) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = OutcomeServiceStub(channel)
        reply = await stub.ReportOutcome(message(), timeout=10)
    [recorded] = recorder.kept.values()
    assert recorded.kept.report == OurReport(_ID, "coder", CallStatus.OK)
    assert not any(reply.kept.HasField(name) for name in ("input_tokens", "cost_usd_micros", "score", "latency_ms"))
    assert (reply.cost_usd_micros, reply.cost_source) == (7, pb.COST_SOURCE_RESERVED)


# --- Who reports --------------------------------------------------------------------------------------------------


@pytest.fixture
def access(tmp_path: Path) -> Path:
    return tmp_path / "access.yaml"


@on_loop
async def test_a_caller_reports_in_its_name_for_its_tenant(access: Path) -> None:
    """The name and tenant of the token go with the report; another's tenant is refused, in a batch for its item."""
    bound = add_token(access, "shop", ["caller"], "acme", None, None).token
    free = add_token(access, "gateway", ["caller"], "", None, None).token
    recorder = MemoryRecorder()
    async with outcomes_served(recorder, access) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = OutcomeServiceStub(channel)
        await stub.ReportOutcome(message(), metadata=bearer(bound), timeout=10)
        other = message()
        other.tenant = "bolt"
        await stub.ReportOutcome(other, metadata=bearer(free), timeout=10)
        assert [recorded.kept.caller for recorded in recorder.kept.values()] == ["shop", "gateway"]
        assert recorder.tenants == ["acme", "bolt"]
        answer = await refusal(stub.ReportOutcome(other, metadata=bearer(bound), timeout=10))
        assert (answer.code, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
        batch = pb.ReportOutcomesRequest(requests=[other, message()])
        results = (await stub.ReportOutcomes(batch, metadata=bearer(bound), timeout=10)).results
        assert [result.WhichOneof("result") for result in results] == ["error", "response"]
        assert (results[0].error.reason, results[1].response.repeated) == ("PERMISSION_DENIED", True)
    assert recorder.tenants == ["acme", "bolt", "acme"]


@on_loop
async def test_only_callers_report(access: Path) -> None:
    """Each method with a token of each role, and with none."""
    tokens = {role: add_token(access, f"a-{role}", [role.value], "", None, None).token for role in AccessRole}
    methods = [name.removeprefix(_SERVICE) for name in NEEDED if name.startswith(_SERVICE)]
    assert methods == [method.name for method in pb.DESCRIPTOR.services_by_name["OutcomeService"].methods]
    recorder = MemoryRecorder()
    async with outcomes_served(recorder, access) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = OutcomeServiceStub(channel)
        for method in methods:
            request = getattr(pb, f"{method}Request")()
            for role, token in tokens.items():
                answer = await refusal(getattr(stub, method)(request, metadata=bearer(token), timeout=10))
                expected = "INVALID_ARGUMENT" if role in NEEDED[f"{_SERVICE}{method}"] else "PERMISSION_DENIED"
                assert (answer.code.name, role is AccessRole.CALLER) == (expected, expected == "INVALID_ARGUMENT")
            answer = await refusal(getattr(stub, method)(request, timeout=10))
            assert answer.code is grpc.StatusCode.UNAUTHENTICATED
    assert not recorder.kept


# --- What is wrong --------------------------------------------------------------------------------------------------

_WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"decision_id": ""}, ["report.decision_id"]),
    ({"decision_id": "a" * 52}, ["report.decision_id"]),
    ({"decision_id": "a" * 209}, ["report.decision_id"]),
    ({"decision_id": "g" * 64}, ["report.decision_id"]),
    ({"decision_id": "A" * 64}, ["report.decision_id"]),
    ({"decision_id": "a" * 64 + "\n"}, ["report.decision_id"]),
    ({"model": ""}, ["report.model"]),
    ({"model": "m" * 129}, ["report.model"]),
    ({"model": "a\nb"}, ["report.model"]),
    ({"model": "a\0b"}, ["report.model"]),
    ({"status": 0}, ["report.status"]),
    ({"status": 99}, ["report.status"]),
    ({"status": -1}, ["report.status"]),
    ({"verdict": 99}, ["report.verdict"]),
    ({"verdict": -1}, ["report.verdict"]),
    ({"input_tokens": -1}, ["report.input_tokens"]),
    ({"input_tokens": 1_000_000_001}, ["report.input_tokens"]),
    ({"output_tokens": -(2**63)}, ["report.output_tokens"]),
    ({"output_tokens": 2**63 - 1}, ["report.output_tokens"]),
    ({"cost_usd_micros": -1}, ["report.cost_usd_micros"]),
    ({"cost_usd_micros": 1_000_000_000_001}, ["report.cost_usd_micros"]),
    ({"latency_ms": -1}, ["report.latency_ms"]),
    ({"latency_ms": 1_000_000_001}, ["report.latency_ms"]),
    ({"score": -0.001}, ["report.score"]),
    ({"score": 1.001}, ["report.score"]),
    ({"score": float("nan")}, ["report.score"]),
    ({"score": float("inf")}, ["report.score"]),
    ({"label": "é" * 65}, ["report.label"]),
    ({"label": "a\tb"}, ["report.label"]),
    ({"retry_after_ms": 0}, ["report.retry_after_ms"]),
    ({"failed_attempts": [_attempt()] * 9}, ["report.failed_attempts"]),
    ({"failed_attempts": [_attempt(), _attempt(model="")]}, ["report.failed_attempts[1].model"]),
    ({"failed_attempts": [_attempt(status=0)]}, ["report.failed_attempts[0].status"]),
    ({"failed_attempts": [_attempt(status=pb.CALL_STATUS_OK)]}, ["report.failed_attempts[0].status"]),
    ({"failed_attempts": [_attempt(latency_ms=-1)]}, ["report.failed_attempts[0].latency_ms"]),
    ({"failed_attempts": [_attempt(retry_after_ms=1)]}, ["report.failed_attempts[0].retry_after_ms"]),
    ({"status": pb.CALL_STATUS_RATE_LIMITED, "retry_after_ms": -1}, ["report.retry_after_ms"]),
    ({"status": pb.CALL_STATUS_RATE_LIMITED, "retry_after_ms": 1_000_000_001}, ["report.retry_after_ms"]),
    (
        {"decision_id": "x", "model": "", "status": 0, "score": 2, "input_tokens": -1, "label": "\n"},
        [f"report.{name}" for name in ("decision_id", "model", "status", "label", "input_tokens", "score")],
    ),
]


@on_loop
async def test_every_wrong_field_is_named() -> None:
    """All of them at once, alone and in a batch alike; nothing is recorded."""
    recorder = MemoryRecorder()
    async with outcomes_served(recorder) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = OutcomeServiceStub(channel)
        for told, fields in _WRONG:
            answer = await refusal(stub.ReportOutcome(message(**told), timeout=10))
            got = (answer.code.name, answer.reason, answer.domain, answer.fields, answer.infos)
            assert got == ("INVALID_ARGUMENT", "INVALID_FIELD", "fingerpost", fields, 1), told
        batch = pb.ReportOutcomesRequest(requests=[message(**told) for told, _ in _WRONG])
        results = (await stub.ReportOutcomes(batch, timeout=10)).results
        told_fields = [[violation.field for violation in result.error.field_violations] for result in results]
        assert told_fields == [fields for _, fields in _WRONG]
        assert {result.error.code for result in results} == {3}
        for request, fields in (
            (pb.ReportOutcomeRequest(), ["report"]),
            (pb.ReportOutcomeRequest(tenant="t" * 129), ["report", "tenant"]),
            (pb.ReportOutcomeRequest(request_id="a\nb"), ["request_id"]),
        ):
            assert (await refusal(stub.ReportOutcome(request, timeout=10))).fields == fields
    assert not recorder.kept


@on_loop
async def test_a_batch_is_neither_empty_nor_too_large() -> None:
    """0 and one more than the limit are refused as a whole; the limit itself is answered."""
    recorder = MemoryRecorder()
    ids = [f"{number:064x}" for number in range(5)]
    async with (
        outcomes_served(recorder, batch_items=4) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub: Any = OutcomeServiceStub(channel)
        empty = await refusal(stub.ReportOutcomes(pb.ReportOutcomesRequest(), timeout=10))
        assert (empty.code.name, empty.reason, empty.fields) == ("INVALID_ARGUMENT", "INVALID_FIELD", ["requests"])
        five = pb.ReportOutcomesRequest(requests=[message(decision_id=one) for one in ids])
        large = await refusal(stub.ReportOutcomes(five, timeout=10))
        assert (large.code.name, large.reason) == ("INVALID_ARGUMENT", "BATCH_TOO_LARGE")
        assert (large.metadata["limit"], large.metadata["actual"]) == ("4", "5")
        four = pb.ReportOutcomesRequest(requests=five.requests[:4], request_id="mine")
        reply = await stub.ReportOutcomes(four, timeout=10)
    assert [result.response.kept.decision_id for result in reply.results] == ids[:4]
    assert reply.request_id == "mine"
    assert [result.response.request_id for result in reply.results] == [f"mine-{place}" for place in range(4)]


@on_loop
async def test_bytes_that_are_no_report() -> None:
    """Broken protobuf and strings that are no UTF-8 are the caller's fault."""
    async with outcomes_served(MemoryRecorder()) as address, grpc.aio.insecure_channel(address) as channel:
        for data in (b"\xff\xff\xff", b"\x0a\x05ab", b"\x12\x02\xff\xfe"):
            call: Any = channel.unary_unary(f"{_SERVICE}ReportOutcome")
            answer = await refusal(call(data, timeout=10))
            assert (answer.code.name, answer.reason) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST"), data


_RAISED: list[tuple[Exception, str, str]] = [
    (NotFound("unknown", ErrorReason.DECISION_UNKNOWN), "NOT_FOUND", "DECISION_UNKNOWN"),
    (FailedPrecondition("late", ErrorReason.REPORT_LATE), "FAILED_PRECONDITION", "REPORT_LATE"),
    (Unavailable("away", ErrorReason.STORE_UNAVAILABLE), "UNAVAILABLE", "STORE_UNAVAILABLE"),
    (Overloaded("busy", retry_after_ms=50), "RESOURCE_EXHAUSTED", "OVERLOADED"),
    (StorageFull("full"), "RESOURCE_EXHAUSTED", "STORAGE_FULL"),
    (TimeoutError(), "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    (RuntimeError("secret-canary"), "INTERNAL", "INTERNAL"),
]


@on_loop
async def test_why_a_report_is_not_kept() -> None:
    """The recorder's errors have their codes; a fault of ours is INTERNAL, and tells nothing of itself."""
    recorder = MemoryRecorder()
    async with outcomes_served(recorder) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = OutcomeServiceStub(channel)
        answers: list[Refusal] = []
        for error, _, _ in _RAISED:
            recorder.failures.append(error)
            answers.append(await refusal(stub.ReportOutcome(message(), timeout=10)))
        assert [(one.code.name, one.reason) for one in answers] == [(code, reason) for _, code, reason in _RAISED]
        assert answers[3].retry_ms == 50
        assert "canary" not in str(answers)
        assert (await stub.ReportOutcome(message(), timeout=10)).kept.model == "coder"


@on_loop
async def test_each_of_a_batch_is_answered_by_itself() -> None:
    """Results in order, each as a single call would have been answered; all are kept side by side."""
    ids = [f"{number:064x}" for number in range(6)]
    refused: dict[str, Exception] = {
        ids[1]: NotFound("unknown", ErrorReason.DECISION_UNKNOWN),
        ids[4]: FailedPrecondition("late", ErrorReason.REPORT_LATE, metadata={"limit": "3600"}),
    }
    recorder = MemoryRecorder(refused=refused, together=asyncio.Barrier(len(ids)))
    async with outcomes_served(recorder) as address, grpc.aio.insecure_channel(address) as channel:
        stub: Any = OutcomeServiceStub(channel)
        batch = pb.ReportOutcomesRequest(requests=[message(decision_id=one) for one in ids])
        results = (await stub.ReportOutcomes(batch, timeout=30)).results
        recorder.together = None
        singles = []
        for one in ids:
            try:
                singles.append(await stub.ReportOutcome(message(decision_id=one), timeout=10))
            except grpc.aio.AioRpcError as error:
                singles.append(error.code())
    assert [result.WhichOneof("result") for result in results] == [
        "error" if one in refused else "response" for one in ids
    ]
    assert (results[1].error.code, results[1].error.reason) == (5, "DECISION_UNKNOWN")
    assert (results[4].error.reason, results[4].error.metadata["limit"]) == ("REPORT_LATE", "3600")
    assert [single if isinstance(single, grpc.StatusCode) else single.kept for single in singles] == [
        grpc.StatusCode.NOT_FOUND
        if number == 1
        else grpc.StatusCode.FAILED_PRECONDITION
        if number == 4
        else r.response.kept
        for number, r in enumerate(results)
    ]


# --- The Python clients ---------------------------------------------------------------------------------------------


@on_loop
async def test_both_clients_report() -> None:
    """With keyword arguments, alone and many at once; names of enums in either case."""
    recorder = MemoryRecorder()
    async with outcomes_served(recorder) as address:

        def with_client() -> list[Reported | FingerpostError]:
            with Client(address) as client:
                one = client.report(_ID, "coder", "ok", cost_usd_micros=12, verdict="good_fit", tenant="acme")
                return [
                    one,
                    *client.report_batch([Report(_ID, "other", "TIMEOUT"), Report("a" * 64, "x", "CANCELLED")]),
                ]

        first, again, second = await asyncio.to_thread(with_client)
        async with AsyncClient(address) as client:
            third = await client.report("b" * 64, "coder", "RATE_LIMITED", retry_after_ms=5, request_id="mine")
            [fourth, wrong] = await client.report_batch([Report("c" * 64, "x", "OK"), Report("c", "x", "OK")])
            with pytest.raises(InvalidRequest, match="decision_id"):
                await client.report("short", "coder", "OK")
    assert isinstance(first, Reported)
    assert (first.repeated, first.cost_usd_micros, first.cost_source) == (False, 12, "REPORTED")
    assert first.kept == Report(_ID, "coder", "OK", cost_usd_micros=12, verdict="GOOD_FIT")
    assert isinstance(again, Reported)
    assert (again.repeated, again.kept) == (True, first.kept)
    assert isinstance(second, Reported)
    assert (second.kept.status, second.cost_source) == ("CANCELLED", "RESERVED")
    assert (third.kept.retry_after_ms, third.request_id) == (5, "mine")
    assert isinstance(fourth, Reported)
    assert isinstance(wrong, InvalidRequest)
    assert wrong.fields[0].field == "report.decision_id"
    assert recorder.tenants[0] == "acme"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"status": "FINE"}, "status: FINE is none of OK, RATE_LIMITED"),
        ({"status": "UNSPECIFIED"}, "status"),
        ({"verdict": "superb"}, "verdict: superb"),
        ({"input_tokens": 2**63}, "cannot hold"),
    ],
)
def test_a_client_refuses_what_no_message_can_say(told: dict[str, Any], words: str) -> None:
    """Before anything is sent."""
    with Client("127.0.0.1:1") as client, pytest.raises(InvalidRequest, match=words):
        client.report(_ID, "coder", **{"status": "OK", **told})


@on_loop
async def test_a_report_is_repeated_until_it_is_kept() -> None:
    """A server that cannot keep it for a moment is asked again, by the standard service config."""
    recorder = MemoryRecorder(failures=[Unavailable("away"), Unavailable("away")])
    async with outcomes_served(recorder) as address:
        async with AsyncClient(address, timeout_seconds=30) as client:
            assert not (await client.report(_ID, "coder", "OK")).repeated
        assert not recorder.failures
        recorder.failures += [NotFound("unknown", ErrorReason.DECISION_UNKNOWN)] * 2
        async with AsyncClient(address) as client:
            with pytest.raises(NotFound) as refused:
                await client.report("a" * 64, "coder", "OK")
        assert refused.value.reason == ErrorReason.DECISION_UNKNOWN
        assert len(recorder.failures) == 1, "what cannot succeed is not repeated"


@on_loop
async def test_clients_raise_by_class(access: Path) -> None:
    """Without a token, and with one that may not report."""
    reader = add_token(access, "ann", ["reader"], "", None, None).token
    async with outcomes_served(MemoryRecorder(), access) as address:
        async with AsyncClient(address) as client:
            with pytest.raises(Unauthenticated):
                await client.report(_ID, "coder", "OK")
        async with AsyncClient(address, token=reader) as client:
            with pytest.raises(PermissionDenied, match="caller"):
                await client.report(_ID, "coder", "OK")
