"""The file of access, as people and `fingerpost token` write it: strict YAML, every fault with its line."""

import math
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from fingerpost.access.tokens import is_hash
from fingerpost.build.findings import Findings
from fingerpost.build.shapes import shaped
from fingerpost.build.yaml_lines import Document, KeyPath, parse
from fingerpost.errors import InvalidRequest
from fingerpost.types import Access, AccessRole, Principal, Token

_log = structlog.get_logger(__name__)

_MAX_BYTES = 1_048_576
_MAX_PRINCIPALS, _MAX_TOKENS, _MAX_NAMES = 1_000, 5_000, 32
_TOLD = 5  # faults

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
_Role = Literal["caller", "reader", "proposer", "approver", "operator", "auditor"]
_Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=_MAX_NAMES)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PrincipalEntry(_Shape):
    """Somebody who is known."""

    name: _Name
    roles: Annotated[list[_Role], Field(min_length=1, max_length=6)]
    tenant: Annotated[str, Field(max_length=128)] = ""
    certificates: _Names = []
    users: _Names = []


class TokenEntry(_Shape):
    """A token of one of them."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,32}$")]
    owner: _Name
    hash: str
    not_before: str | None = None
    expires: str | None = None


class AccessFile(_Shape):
    """All of it."""

    principals: Annotated[list[PrincipalEntry], Field(max_length=_MAX_PRINCIPALS)]
    tokens: Annotated[list[TokenEntry], Field(max_length=_MAX_TOKENS)] = []


@dataclass(frozen=True, slots=True)
class Read:
    """A file of access and where everything stands in it."""

    text: str
    document: Document
    content: AccessFile


def read_access(path: Path) -> Access:
    """Who is known.

    Raises:
        InvalidRequest: the file cannot be read, is wrong (each fault is told with its line), or others may write it.
    """
    _check_mode(path)
    content = read_text(path.name, text_of(path)).content
    principals = {one.name: _principal(one) for one in content.principals}
    return Access(
        tokens={one.id: _token(one, principals[one.owner]) for one in content.tokens},
        certificates={name: principals[one.name] for one in content.principals for name in one.certificates},
        users={name: principals[one.name] for one in content.principals for name in one.users},
    )


def read_text(name: str, text: str) -> Read:
    """The content of a file of access.

    Raises:
        InvalidRequest: it is wrong.
    """
    findings = Findings()
    document = parse(name, text, findings)
    content = None if document is None else shaped(document, AccessFile, findings)
    faults = [f"{one.file}:{one.line}: {one.message}" for one in findings.ordered()]
    if document is not None and content is not None:
        faults = [f"{document.place(place)}: {what}" for place, what in _faults(content)]
    if faults or document is None or content is None:
        more = f" (and {len(faults) - _TOLD} more)" if len(faults) > _TOLD else ""
        raise InvalidRequest("; ".join(faults[:_TOLD]) + more)
    return Read(text, document, content)


def moment(text: str) -> float:
    """Seconds since the epoch of an ISO date or time; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def is_moment(text: str) -> bool:
    """Whether `moment` can read it."""
    try:
        return math.isfinite(moment(text))
    except (ValueError, OverflowError):
        return False


def _faults(content: AccessFile) -> Iterator[tuple[KeyPath, str]]:
    names = [one.name for one in content.principals]
    yield from _repeated("principals", names, "name")
    yield from _repeated("tokens", [one.id for one in content.tokens], "id")
    for kind in ("certificates", "users"):
        seen: set[str] = set()
        for number, one in enumerate(content.principals):
            for name in getattr(one, kind):
                if name in seen:
                    yield ("principals", number, kind), f"{name!r} stands twice in {kind}: whose is it?"
                seen.add(name)
    for number, token in enumerate(content.tokens):
        place: KeyPath = ("tokens", number)
        if token.owner not in names:
            yield (*place, "owner"), f"no principal is named {token.owner!r}"
        if not is_hash(token.hash):
            yield (*place, "hash"), "this is no hash of a token: fingerpost token add makes them"
        for key in ("not_before", "expires"):
            if (time := getattr(token, key)) is not None and not is_moment(time):
                yield (*place, key), f"{key} must be a date or a time, as 2027-01-31 or 2027-01-31T12:00:00Z"


def _repeated(part: str, values: Sequence[str], key: str) -> Iterator[tuple[KeyPath, str]]:
    for number, value in enumerate(values):
        if value in values[:number]:
            yield (part, number, key), f"{key} {value!r} stands twice in {part}"


def _principal(entry: PrincipalEntry) -> Principal:
    also = frozenset(f"os:{name}" for name in entry.users)
    return Principal(entry.name, frozenset(AccessRole(role) for role in entry.roles), entry.tenant, also)


def _token(entry: TokenEntry, owner: Principal) -> Token:
    begins = -math.inf if entry.not_before is None else moment(entry.not_before)
    ends = math.inf if entry.expires is None else moment(entry.expires)
    return Token(entry.id, entry.hash, owner, begins, ends)


def _check_mode(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise InvalidRequest(f"{path} is no file")
    if mode & stat.S_IWOTH:
        raise InvalidRequest(f"anybody may write {path}, and so give themselves every role: chmod o-w {path}")
    if mode & stat.S_IROTH:
        _log.warning("access_file_readable", file=str(path), effect="anybody on this machine may read it: chmod o-r it")


def text_of(path: Path) -> str:
    """What the file holds.

    Raises:
        InvalidRequest: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise InvalidRequest(f"{path} is larger than {_MAX_BYTES >> 20} MiB")
        return data.decode()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8 text") from error
