"""Convert: messages of callers become valid queries, or an error that names every wrong field."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fingerpost.errors import ErrorReason, FieldViolation, InvalidRequest
from fingerpost.serve.runtime import CATALOG_NAME, CATALOG_NAME_RULE, DEFAULT_CATALOG
from fingerpost.settings import Settings
from fingerpost.types import GivenVector, Role, RouteQuery, Turn
from fingerpost.v1 import router_service_pb2 as pb

_NAME_BYTES = 128
_UNREADABLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # control, format (zero width) and spaces of all kinds

_ROLES = {
    pb.ROLE_USER: Role.USER,
    pb.ROLE_ASSISTANT: Role.ASSISTANT,
    pb.ROLE_SYSTEM: Role.SYSTEM,
    pb.ROLE_TOOL: Role.TOOL,
}


@dataclass(slots=True)
class _Faults:
    """Collects what is wrong, so that a caller learns all of it at once."""

    violations: list[FieldViolation] = field(default_factory=list)
    reason: ErrorReason | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        path: str,
        description: str,
        reason: ErrorReason = ErrorReason.INVALID_FIELD,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.violations.append(FieldViolation(path, description))
        self.reason = self.reason or reason
        self.metadata.update(metadata or {})

    def check(self) -> None:
        if self.violations:
            first = self.violations[0]
            raise InvalidRequest(
                f"{first.field}: {first.description}", self.reason, fields=self.violations, metadata=self.metadata
            )


def to_query(request: pb.RouteRequest, request_id: str, settings: Settings) -> RouteQuery:
    """A valid query.

    Raises:
        InvalidRequest: with a violation for each wrong field.
    """
    faults = _Faults()
    wanted = _wanted(request, settings, faults)
    _check_facts(request, settings, faults)
    faults.check()
    return RouteQuery(
        request_id=request_id,
        catalog=request.catalog or DEFAULT_CATALOG,
        wanted=wanted,
        metadata=dict(request.metadata),
        tenant=request.tenant,
        session_id=request.session_id,
        alternatives_count=request.alternatives_count,
        include_matches=request.include_matches,
        include_embedding=request.include_embedding,
    )


def _wanted(request: pb.RouteRequest, settings: Settings, faults: _Faults) -> str | GivenVector:
    """What is to be routed; an empty text where there is a fault."""
    kind = request.WhichOneof("input")
    if kind == "embedding":
        values = np.array(request.embedding.values, dtype=np.float32)
        return GivenVector(request.embedding.encoder_digest, values)
    if kind == "conversation":
        return _deciding_text(request.conversation, settings, faults)
    if kind is None:
        faults.add("input", "one of text, conversation and embedding must be set")
        return ""
    _check_text(request.text, "text", settings, faults)
    return request.text


def _check_text(text: str, path: str, settings: Settings, faults: _Faults) -> None:
    _check_characters(text, path, settings, faults)
    if not _readable(text):
        faults.add(path, "the text has no readable character", ErrorReason.PROMPT_EMPTY)


def _check_characters(text: str, path: str, settings: Settings, faults: _Faults) -> None:
    size = _utf8_bytes(text, settings.text_bytes)
    if size > settings.text_bytes:
        faults.add(
            path,
            f"the text has {size} bytes and the limit is {settings.text_bytes}: send less",
            ErrorReason.PROMPT_TOO_LARGE,
            {"limit": str(settings.text_bytes), "actual": str(size)},
        )
    if "\0" in text:
        faults.add(path, "the text holds a NUL character: remove it")


def _utf8_bytes(text: str, limit: int) -> int:
    """Size of the text, encoded only when its length leaves doubt."""
    return len(text) if len(text) * 4 <= limit else len(text.encode())


def _readable(text: str) -> bool:
    return any(unicodedata.category(character) not in _UNREADABLE for character in text)


def _deciding_text(conversation: pb.Conversation, settings: Settings, faults: _Faults) -> str:
    """The last user turn's text; empty where there is none."""
    count = len(conversation.turns)
    if not 1 <= count <= settings.conversation_turns:
        faults.add("conversation.turns", f"1 to {settings.conversation_turns} turns, not {count}")
        return ""
    turns = [_turn(turn, place, settings, faults) for place, turn in enumerate(conversation.turns)]
    for place in reversed(range(count)):
        turn = turns[place]
        if turn is not None and turn.role is Role.USER:
            _check_text(turn.text, f"conversation.turns[{place}].text", settings, faults)
            return turn.text
    faults.add("conversation.turns", "at least one turn must be the user's")
    return ""


def _turn(turn: pb.Turn, place: int, settings: Settings, faults: _Faults) -> Turn | None:
    path = f"conversation.turns[{place}]"
    role = _ROLES.get(turn.role)  # an unknown number arrives as a plain int
    if role is None:
        faults.add(f"{path}.role", f"{turn.role} is no known role")
        return None
    if role is not Role.USER:
        _check_characters(turn.text, f"{path}.text", settings, faults)
    return Turn(role, turn.text)


def _check_facts(request: pb.RouteRequest, settings: Settings, faults: _Faults) -> None:
    for name in ("tenant", "session_id"):
        value: str = getattr(request, name)
        if len(value.encode()) > _NAME_BYTES or "\0" in value:
            faults.add(name, f"at most {_NAME_BYTES} bytes without NUL")
    if request.catalog and not CATALOG_NAME.match(request.catalog):
        faults.add("catalog", CATALOG_NAME_RULE)
    if not 0 <= request.alternatives_count <= settings.alternatives:
        faults.add("alternatives_count", f"0 to {settings.alternatives}, not {request.alternatives_count}")
    _check_metadata(request.metadata, settings, faults)


def _check_metadata(metadata: Mapping[str, str], settings: Settings, faults: _Faults) -> None:
    if len(metadata) > settings.metadata_pairs:
        faults.add("metadata", f"at most {settings.metadata_pairs} pairs, not {len(metadata)}")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > settings.metadata_bytes:
        faults.add("metadata", f"at most {settings.metadata_bytes} bytes of keys and values, not {size}")
