"""Completeness by reflection: what is declared in one place exists in every other."""

import inspect
import re
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2

from fingerpost import client, errors
from fingerpost.client import AsyncClient, Client
from fingerpost.rpc.services import RouterService
from fingerpost.rpc.status import CODES, code_of, to_status
from fingerpost.serve.explain import _REASONS
from fingerpost.types import Calibration, Outcome, Reason
from fingerpost.v1 import decision_pb2, error_reason_pb2, router_service_pb2

PROTO = Path(__file__).parents[2] / "proto"
METHODS = [m.name for m in router_service_pb2.DESCRIPTOR.services_by_name["RouterService"].methods]


def tree(kind: type[errors.FingerpostError]) -> list[type[errors.FingerpostError]]:
    """The class and those below it that `errors` itself draws; others take the code of their nearest ancestor there."""
    below = [lower for child in kind.__subclasses__() for lower in tree(child)]
    return [one for one in (kind, *below) if one.__module__ == errors.__name__]


def test_the_service_has_the_four_calls() -> None:
    """RouterService holds exactly the calls that the contract names."""
    assert METHODS == ["Route", "RouteBatch", "Explain", "GetServerInfo"]


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


def test_every_reason_has_words() -> None:
    """Explain can put every reason into words."""
    assert set(_REASONS) == set(Reason)


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
