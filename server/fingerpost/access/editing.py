"""Editing the file of access: tokens come and go, and everything else stays as people wrote it.

What was written is read back before it takes the old file's place: a style that the edit does not fit is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from fingerpost.access.files import AccessFile, PrincipalEntry, Read, TokenEntry, is_moment, read_text, text_of
from fingerpost.access.tokens import Made, make
from fingerpost.build.yaml_scalars import resolve
from fingerpost.durable import lock, put_file, storing
from fingerpost.errors import InvalidRequest, NotFound
from fingerpost.types import AccessRole

_MODE = 0o600
_NEW = """\
# Who may do what on this server. Roles: caller, reader, proposer, approver, operator, auditor.
principals: []
tokens: []
"""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token for somebody, told once."""

    id: str
    token: str
    owner: PrincipalEntry


def add_token(
    path: Path, name: str, roles: Sequence[str], tenant: str, not_before: str | None, expires: str | None
) -> NewToken:
    """Give somebody a token; who is not in the file yet is added with these roles.

    Args:
        path: The file of access; it is made where there is none.
        name: Of the principal.
        roles: Of a new principal; for one who is known they must be theirs, or none.
        tenant: Of a new principal; "": any.
        not_before: ISO date or time; None: from now.
        expires: Likewise; None: never.

    Raises:
        InvalidRequest: the file or one of these is wrong; nothing was written.
    """
    made = make()
    entry = _entry(made, name, not_before, expires)
    with storing("the file of access"), lock(path.with_name(f".{path.name}.lock")):
        read = _read(path)
        known = next((one for one in read.content.principals if one.name == name), None)
        if known is None:
            _check_roles(name, roles)
            owner = PrincipalEntry.model_construct(name=name, roles=list(roles), tenant=tenant)
            read = _with_item(read, "principals", _principal_lines(owner))
        else:
            owner = known
            if roles and set(roles) != set(known.roles):
                raise InvalidRequest(f"{name} has the roles {', '.join(known.roles)}: change them in {path.name}")
        read = _with_item(read, "tokens", _token_lines(entry))
        put_file(path, read.text.encode(), _MODE)
    return NewToken(made.id, made.token, owner)


def revoke_token(path: Path, token_id: str) -> str:
    """Remove a token, and return whose it was.

    Raises:
        NotFound: there is no such token.
        InvalidRequest: the file is wrong.
    """
    with storing("the file of access"), lock(path.with_name(f".{path.name}.lock")):
        read = _read(path)
        places = [number for number, one in enumerate(read.content.tokens) if one.id == token_id]
        if not places:
            raise NotFound(f"{path.name} has no token {token_id}: fingerpost token list shows them")
        owner = read.content.tokens[places[0]].owner
        put_file(path, _without_token(read, places[0]).text.encode(), _MODE)
    return owner


def list_tokens(path: Path) -> AccessFile:
    """What the file says.

    Raises:
        InvalidRequest: the file is wrong.
    """
    return _read(path).content


def _entry(made: Made, name: str, not_before: str | None, expires: str | None) -> TokenEntry:
    for time in (not_before, expires):
        if time is not None and not is_moment(time):
            raise InvalidRequest(f"{time} is no date or time: write it as 2027-01-31 or 2027-01-31T12:00:00Z")
    try:
        return TokenEntry(id=made.id, owner=name, hash=made.hash, not_before=not_before, expires=expires)
    except ValidationError as error:
        raise InvalidRequest(f"{name!r} is no name: 1 to 64 letters, digits and . _ @ -") from error


def _read(path: Path) -> Read:
    return read_text(path.name, text_of(path) if path.exists() else _NEW)


def _with_item(read: Read, part: str, item: Sequence[str]) -> Read:
    """The file with another item at the end of a list."""
    lines = read.text.splitlines()
    if not getattr(read.content, part):
        lines = _without_empty(lines, part)
        lines = [*lines, f"{part}:", *item] if part == "tokens" else _before_tokens(lines, [f"{part}:", *item])
    else:
        end = _end_of(read, part, len(getattr(read.content, part)) - 1, lines)
        lines[end:end] = item
    return _checked(read, "\n".join(lines) + "\n", part, 1)


def _without_token(read: Read, number: int) -> Read:
    lines = read.text.splitlines()
    begin = read.document.place(("tokens", number)).line - 1
    del lines[begin : _end_of(read, "tokens", number, lines)]
    if len(read.content.tokens) == 1:
        lines = [*_without_empty(lines, "tokens"), "tokens: []"]
    return _checked(read, "\n".join(lines) + "\n", "tokens", -1)


def _checked(before: Read, text: str, part: str, more: int) -> Read:
    name = before.document.file
    style = f"{name} is written in a style that cannot be edited: write each item of {part} on lines of its own"
    try:
        after = read_text(before.document.file, text)
    except InvalidRequest as error:
        raise InvalidRequest(f"{style} ({error.message})") from error
    other = "tokens" if part == "principals" else "principals"
    grown = len(getattr(after.content, part)) == len(getattr(before.content, part)) + more
    if not grown or getattr(after.content, other) != getattr(before.content, other):
        raise InvalidRequest(style)
    return after


def _end_of(read: Read, part: str, number: int, lines: Sequence[str]) -> int:
    """Where the item ends: before the next item, the other list, or comments and blank lines that lead to them."""
    begin = read.document.place((part, number)).line
    inside = [line for path, line in read.document.lines.items() if path[:2] == (part, number)]
    return max([begin, *inside])


def _without_empty(lines: Sequence[str], part: str) -> list[str]:
    return [line for line in lines if line.split("#")[0].strip() not in (f"{part}:", f"{part}: []")]


def _before_tokens(lines: Sequence[str], new: Sequence[str]) -> list[str]:
    place = next((number for number, line in enumerate(lines) if line.startswith("tokens:")), len(lines))
    return [*lines[:place], *new, *lines[place:]]


def _check_roles(name: str, roles: Sequence[str]) -> None:
    known = [role.value for role in AccessRole]
    unknown = sorted(set(roles) - set(known))
    if unknown:
        raise InvalidRequest(f"no role is called {', '.join(unknown)}: use some of {', '.join(known)}")
    if not roles:
        raise InvalidRequest(f"{name} is new: give at least one --role")


def _principal_lines(entry: PrincipalEntry) -> list[str]:
    tenant = [f"    tenant: {_quoted(entry.tenant)}"] if entry.tenant else []
    return [f"  - name: {_name(entry.name)}", f"    roles: [{', '.join(entry.roles)}]", *tenant]


def _token_lines(entry: TokenEntry) -> list[str]:
    times = {"not_before": entry.not_before, "expires": entry.expires}
    return [
        f"  - id: {_quoted(entry.id)}",
        f"    owner: {_name(entry.owner)}",
        f"    hash: {entry.hash}",
        *(f"    {name}: {_quoted(value)}" for name, value in times.items() if value),
    ]


def _name(text: str) -> str:
    """As it is, unless YAML would read a number or a word of its own there."""
    return text if resolve(text) == text else _quoted(text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
