"""Completeness by reflection: what is declared in one place exists in every other."""

import inspect
import re
from dataclasses import fields
from enum import Enum
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2

from fingerpost import client, errors, types
from fingerpost.cli.desks import Controls
from fingerpost.cli.local_controls import LocalControls
from fingerpost.client import AsyncClient, Client
from fingerpost.client.controls import ControlClient
from fingerpost.control_ports import ControlDesk
from fingerpost.rpc.admin_service import AdminService
from fingerpost.rpc.outcome_service import OutcomeService
from fingerpost.rpc.services import RouterService
from fingerpost.rpc.status import CODES, code_of, to_status
from fingerpost.serve.explain import _REASONS, _SKIPS
from fingerpost.types import Calibration, Outcome, Reason
from fingerpost.v1 import admin_service_pb2, decision_pb2, error_reason_pb2, outcome_service_pb2, router_service_pb2

PROTO = Path(__file__).parents[2] / "proto"
METHODS = [m.name for m in router_service_pb2.DESCRIPTOR.services_by_name["RouterService"].methods]
REPORTS = [m.name for m in outcome_service_pb2.DESCRIPTOR.services_by_name["OutcomeService"].methods]
CONTROLS = [m.name for m in admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].methods]


def tree(kind: type[errors.FingerpostError]) -> list[type[errors.FingerpostError]]:
    """The class and those below it that `errors` itself draws; others take the code of their nearest ancestor there."""
    below = [lower for child in kind.__subclasses__() for lower in tree(child)]
    return [one for one in (kind, *below) if one.__module__ == errors.__name__]


def test_the_service_has_the_four_calls() -> None:
    """RouterService holds exactly the calls that the contract names."""
    assert METHODS == ["Route", "RouteBatch", "Explain", "GetServerInfo"]


@pytest.mark.parametrize("method", REPORTS)
def test_every_report_has_a_handler_and_client_methods(method: str) -> None:
    """Each call of OutcomeService likewise."""
    own = {"ReportOutcome": "report", "ReportOutcomes": "report_batch"}[method]
    assert method in vars(OutcomeService)
    assert inspect.iscoroutinefunction(getattr(AsyncClient, own))
    assert inspect.signature(getattr(Client, own)) == inspect.signature(getattr(AsyncClient, own))


def test_a_report_tells_the_same_everywhere() -> None:
    """What the message holds, the client's report and its keyword arguments hold too, and ours as well."""
    told = [field.name for field in outcome_service_pb2.OutcomeReport.DESCRIPTOR.fields]
    assert [field.name for field in fields(types.Report)] == told
    assert [field.name for field in fields(client.Report)] == [*told, "tenant", "request_id"]
    assert list(client.ReportDetails.__annotations__) == [*told[3:], "tenant", "request_id"]


@pytest.mark.parametrize("method", CONTROLS)
def test_every_control_has_a_handler_and_a_command_both_ways(method: str) -> None:
    """Each call of AdminService is implemented by the server, its client and the controls of a folder."""
    verb, subject = re.findall("[A-Z][a-z]+", method)
    own = subject.lower() if verb == "List" else "report" if verb == "Report" else f"{verb}_{subject}".lower()
    assert method in vars(AdminService)
    assert inspect.signature(getattr(ControlClient, own)) == inspect.signature(getattr(LocalControls, own))
    assert own in vars(Controls)
    assert own in vars(ControlDesk)


@pytest.mark.parametrize("method", METHODS)
def test_every_call_has_a_handler_and_client_methods(method: str) -> None:
    """Each call is implemented by the server and offered by both clients."""
    own = {"Route": "route", "RouteBatch": "route_batch", "Explain": "explain", "GetServerInfo": "info"}[method]
    assert method in vars(RouterService)
    assert inspect.iscoroutinefunction(getattr(AsyncClient, own))
    assert inspect.signature(getattr(Client, own)) == inspect.signature(getattr(AsyncClient, own))


@pytest.mark.parametrize(
    ("ours", "enum", "prefix"),
    [
        (Outcome, decision_pb2.Outcome, "OUTCOME_"),
        (Reason, decision_pb2.Reason, "REASON_"),
        (Calibration, decision_pb2.Calibration, "CALIBRATION_"),
        (errors.ErrorReason, error_reason_pb2.ErrorReason, "ERROR_REASON_"),
    ],
)
def test_enums_agree_with_the_proto_files(ours: type, enum: object, prefix: str) -> None:
    """Each closed set is the same in Python and on the wire."""
    names = {value.name for value in enum.DESCRIPTOR.values}  # type: ignore[attr-defined]
    assert names == {f"{prefix}{value}" for value in ours} | {f"{prefix}UNSPECIFIED"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ours", "enum", "prefix"),
    [
        (types.SkipReason, decision_pb2.SkipReason, "SKIP_REASON_"),
        (types.CallStatus, outcome_service_pb2.CallStatus, "CALL_STATUS_"),
        (types.Verdict, outcome_service_pb2.Verdict, "VERDICT_"),
        (types.CostSource, outcome_service_pb2.CostSource, "COST_SOURCE_"),
        (types.BudgetOf, admin_service_pb2.BudgetOf, "BUDGET_OF_"),
        (types.BudgetPer, admin_service_pb2.BudgetPer, "BUDGET_PER_"),
        (types.WhenSpent, admin_service_pb2.WhenSpent, "WHEN_SPENT_"),
        (types.BreakerPosition, admin_service_pb2.BreakerPosition, "BREAKER_POSITION_"),
        (types.ExperimentUnit, admin_service_pb2.ExperimentUnit, "EXPERIMENT_UNIT_"),
        (types.GuardedMeasure, admin_service_pb2.GuardedMeasure, "GUARDED_MEASURE_"),
        (types.Measure, admin_service_pb2.Measure, "MEASURE_"),
        (types.Direction, admin_service_pb2.Direction, "DIRECTION_"),
    ],
)
def test_enums_agree_with_the_proto_files_by_name(ours: type[Enum], enum: object, prefix: str) -> None:
    """Likewise where Python's values are for people: clients tell them as the names in lower case."""
    names = {value.name for value in enum.DESCRIPTOR.values}  # type: ignore[attr-defined]
    assert names == {f"{prefix}{one.name}" for one in ours} | {f"{prefix}UNSPECIFIED"}
    assert {one.value.lower() for one in ours} == {one.name.lower() for one in ours}


def test_every_reason_has_words() -> None:
    """Explain can put every reason into words."""
    assert set(_REASONS) == set(Reason)
    assert set(_SKIPS) == set(types.SkipReason)


@pytest.mark.parametrize("kind", tree(errors.FingerpostError)[1:])
def test_every_error_has_a_code_and_comes_back_as_itself(kind: type[errors.FingerpostError]) -> None:
    """Each class of the tree maps to a code other than UNKNOWN, and the client maps the code to that class."""
    assert code_of(kind("x")) not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.OK}
    assert kind.default_reason in errors.ErrorReason
    if kind in CODES and kind is not errors.StorageFull:
        assert client.convert._CLASSES.get(CODES[kind], errors.InternalError) is kind


def test_the_tree_is_drawn() -> None:
    """The module's first page shows every class with its code."""
    assert errors.__doc__ is not None
    for kind, code in CODES.items():
        assert re.search(rf"{kind.__name__} +{code.name} ", errors.__doc__)


def test_a_status_is_small_whatever_the_error() -> None:
    """Details travel in metadata, so even an error with many fields and a long message stays under 6 KiB."""
    fields = [errors.FieldViolation(f"field[{n}]", "wrong " * 20) for n in range(500)]
    status = to_status(errors.InvalidRequest("x" * 100_000, fields=fields, retry_after_ms=5), "id")
    metadata = dict(status.trailing_metadata or ())
    parsed = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    assert len(metadata["grpc-status-details-bin"]) < 6144
    assert [d.type_url.rpartition(".")[2] for d in parsed.details] == ["ErrorInfo", "BadRequest", "RetryInfo"]


def test_every_field_of_the_contract_is_documented() -> None:
    """Each message, field, enum value and call in the proto files has a comment of its own above it."""
    for path in PROTO.rglob("*.proto"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            declares = re.match(r"\s*(message|enum|service|rpc|oneof) |\s+([\w.<>, ]+ )?\w+ = \d+;", line)
            if declares and not line.rstrip().endswith("_UNSPECIFIED = 0;"):
                assert lines[number - 1].strip().startswith("//"), f"{path.name}:{number + 1}: {line.strip()}"


def test_proto_files_import_nothing_that_a_caller_lacks() -> None:
    """Any language compiles the folder by itself: only google/protobuf and our own files are imported."""
    for path in PROTO.rglob("*.proto"):
        text = path.read_text(encoding="utf-8")
        for imported in re.findall(r'import "([^"]+)"', text):
            assert imported.startswith(("google/protobuf/", "fingerpost/v1/"))
        for option in ("go_package", "java_package", "csharp_namespace"):
            assert f"option {option} = " in text
