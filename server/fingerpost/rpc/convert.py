"""Convert: messages of callers become valid queries, or an error that names every wrong field."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fingerpost.errors import ErrorReason
from fingerpost.rpc.faults import Faults
from fingerpost.serve.conversation import DecidingText, deciding_text
from fingerpost.serve.runtime import CATALOG_NAME, CATALOG_NAME_RULE, DEFAULT_CATALOG
from fingerpost.serve.tokens import estimated_tokens
from fingerpost.settings import Settings
from fingerpost.types import Demands, GivenVector, Role, RouteQuery, Turn
from fingerpost.v1 import router_service_pb2 as pb

_NAME_BYTES = 128
_LABELS, _LABEL_BYTES, _TOKENS = 16, 64, 100_000_000
_PART_KIND = re.compile(r"[ -~]{1,64}")
_UNREADABLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}  # control, format (zero width) and spaces of all kinds

_ROLES = {
    pb.ROLE_USER: Role.USER,
    pb.ROLE_ASSISTANT: Role.ASSISTANT,
    pb.ROLE_SYSTEM: Role.SYSTEM,
    pb.ROLE_TOOL: Role.TOOL,
}


def to_query(request: pb.RouteRequest, request_id: str, settings: Settings) -> RouteQuery:
    """A valid query.

    Raises:
        InvalidRequest: with a violation for each wrong field.
    """
    faults = Faults()
    vector = _vector(request)
    read = DecidingText("") if vector else _text(request, settings, faults)
    _check_facts(request, settings, faults)
    if request.HasField("requirements"):
        _check_requirements(request.requirements, faults)
    faults.check()
    return RouteQuery(
        request_id=request_id,
        catalog=request.catalog or DEFAULT_CATALOG,
        wanted=vector or read.text,
        metadata=dict(request.metadata),
        tenant=request.tenant,
        session_id=request.session_id,
        alternatives_count=request.alternatives_count,
        include_matches=request.include_matches,
        include_embedding=request.include_embedding,
        ignored_parts=read.ignored_parts,
        joined_turns=read.joined_turns,
        turns_count=max(1, len(_turns(request))),
        demands=_demands(request),
        parts=frozenset(part.other for turn in _turns(request) for part in turn.parts if part.other),
        repeatable=bool(request.request_id),
    )


def _demands(request: pb.RouteRequest) -> Demands:
    """What the caller requires of a model, its tokens estimated where it gives none."""
    tokens = estimated_tokens(*_texts(request))
    if not request.HasField("requirements"):
        return Demands(input_tokens=tokens)
    required = request.requirements
    return Demands(
        capabilities=frozenset(required.capabilities),
        regions=(frozenset(required.regions),) if required.regions else (),
        languages=frozenset(required.languages),
        input_tokens=required.input_tokens or tokens,
        output_tokens=required.output_tokens,
    )


def _texts(request: pb.RouteRequest) -> Iterator[str]:
    """All that a model would be sent."""
    yield request.text
    for turn in _turns(request):
        yield turn.text
        yield from (part.text for part in turn.parts)


def _turns(request: pb.RouteRequest) -> Sequence[pb.Turn]:
    return request.conversation.turns if request.HasField("conversation") else ()


def _vector(request: pb.RouteRequest) -> GivenVector | None:
    if request.WhichOneof("input") != "embedding":
        return None
    values = np.array(request.embedding.values, dtype=np.float32)
    return GivenVector(request.embedding.encoder_digest, values)


def _text(request: pb.RouteRequest, settings: Settings, faults: Faults) -> DecidingText:
    """The text to route; an empty one where there is a fault."""
    kind = request.WhichOneof("input")
    if kind == "conversation":
        return _deciding(request.conversation, settings, faults)
    if kind is None:
        faults.add("input", "one of text, conversation and embedding must be set")
    else:
        _check_text(request.text, "text", settings, faults)
    return DecidingText(request.text)


def _check_text(text: str, path: str, settings: Settings, faults: Faults) -> None:
    _check_characters(text, path, settings, faults)
    if not _readable(text):
        _add_empty(path, faults)


def _check_characters(text: str, path: str, settings: Settings, faults: Faults) -> None:
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


def _add_empty(path: str, faults: Faults) -> None:
    faults.add(path, "the text has no readable character", ErrorReason.PROMPT_EMPTY)


def _utf8_bytes(text: str, limit: int) -> int:
    """Size of the text, encoded only when its length leaves doubt."""
    return len(text) if len(text) * 4 <= limit else len(text.encode())


def _readable(text: str) -> bool:
    return any(unicodedata.category(character) not in _UNREADABLE for character in text)


def _deciding(conversation: pb.Conversation, settings: Settings, faults: Faults) -> DecidingText:
    """What the user turns say; an empty text where there is a fault."""
    count = len(conversation.turns)
    if not 1 <= count <= settings.conversation_turns:
        faults.add("conversation.turns", f"1 to {settings.conversation_turns} turns, not {count}")
        return DecidingText("")
    paths = [f"conversation.turns[{place}]" for place in range(count)]
    turns = [_turn(turn, path, settings, faults) for turn, path in zip(conversation.turns, paths, strict=True)]
    spoken = [place for place, turn in enumerate(turns) if turn.role is Role.USER]
    if not spoken:
        faults.add("conversation.turns", "at least one turn must be the user's")
        return DecidingText("")
    last = turns[spoken[-1]]
    deciding = deciding_text(turns) if last.text or last.ignored_parts else None
    if deciding is None:
        name = "parts" if conversation.turns[spoken[-1]].parts else "text"
        _add_empty(f"{paths[spoken[-1]]}.{name}", faults)
    return deciding or DecidingText("")


def _turn(turn: pb.Turn, path: str, settings: Settings, faults: Faults) -> Turn:
    role = _ROLES.get(turn.role)  # an unknown number arrives as a plain int
    if role is None:
        faults.add(f"{path}.role", f"{turn.role} is no known role")
    if turn.text and turn.parts:
        faults.add(f"{path}.parts", "a turn has text or parts, not both")
    _check_parts(turn, path, settings, faults)
    text = "\n".join(part.text for part in turn.parts if part.HasField("text")) if turn.parts else turn.text
    _check_characters(text, f"{path}.parts" if turn.parts else f"{path}.text", settings, faults)
    ignored = tuple(part.other for part in turn.parts if part.HasField("other"))
    return Turn(role or Role.SYSTEM, text if role is Role.USER and _readable(text) else "", ignored)


def _check_parts(turn: pb.Turn, path: str, settings: Settings, faults: Faults) -> None:
    if len(turn.parts) > settings.turn_parts:
        faults.add(f"{path}.parts", f"at most {settings.turn_parts} parts, not {len(turn.parts)}")
        return
    for place, part in enumerate(turn.parts):
        kind = part.WhichOneof("kind")
        if kind is None:
            faults.add(f"{path}.parts[{place}]", "one of text and other must be set")
        elif kind == "other" and not _PART_KIND.fullmatch(part.other):
            faults.add(f"{path}.parts[{place}].other", "1 to 64 characters of printable ASCII")


def _check_facts(request: pb.RouteRequest, settings: Settings, faults: Faults) -> None:
    for name in ("tenant", "session_id"):
        value: str = getattr(request, name)
        if len(value.encode()) > _NAME_BYTES or "\0" in value:
            faults.add(name, f"at most {_NAME_BYTES} bytes without NUL")
    if request.catalog and not CATALOG_NAME.match(request.catalog):
        faults.add("catalog", CATALOG_NAME_RULE)
    if not 0 <= request.alternatives_count <= settings.alternatives:
        faults.add("alternatives_count", f"0 to {settings.alternatives}, not {request.alternatives_count}")
    _check_metadata(request.metadata, settings, faults)


def _check_requirements(required: pb.Requirements, faults: Faults) -> None:
    for name in ("capabilities", "regions", "languages"):
        labels: Sequence[str] = getattr(required, name)
        if len(labels) > _LABELS:
            faults.add(f"requirements.{name}", f"at most {_LABELS}, not {len(labels)}")
        elif any(not label or len(label.encode()) > _LABEL_BYTES or "\0" in label for label in labels):
            faults.add(f"requirements.{name}", f"1 to {_LABEL_BYTES} bytes each, without NUL")
    for name in ("input_tokens", "output_tokens"):
        count: int = getattr(required, name)
        if not 0 <= count <= _TOKENS:
            faults.add(f"requirements.{name}", f"0 to {_TOKENS}, not {count}")


def _check_metadata(metadata: Mapping[str, str], settings: Settings, faults: Faults) -> None:
    if len(metadata) > settings.metadata_pairs:
        faults.add("metadata", f"at most {settings.metadata_pairs} pairs, not {len(metadata)}")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > settings.metadata_bytes:
        faults.add("metadata", f"at most {settings.metadata_bytes} bytes of keys and values, not {size}")
