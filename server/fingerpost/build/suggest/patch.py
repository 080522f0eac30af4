"""Patch: changed files as a unified diff, which `patch -p1` and `git apply` take."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_CONTEXT = 3
_QUOTED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_CONTROL = re.compile('[\x00-\x1f\x7f"\\\\]')


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after; with words about it, a line each, that programs pass over."""

    file: str
    before: str | None  # None: there is no such file yet
    after: str
    notes: tuple[str, ...] = ()


def unified(changes: Sequence[Change]) -> str:
    """The changes as one diff; line ends stand in it as in the files, so it must be written as bytes.

    Of a file that stays as it is there are only the words about it; where all do, there is no diff.
    """
    if all(change.before == change.after for change in changes):
        return ""
    return "".join(line for change in changes for line in _diff(change))


def _diff(change: Change) -> Iterator[str]:
    old, new = _lines(change.before or ""), _lines(change.after)
    for note in change.notes:
        yield f"# {' '.join(note.split())}\n"
    if old == new:
        return
    yield "--- /dev/null\n" if change.before is None else f"--- {_name('a/' + change.file)}\n"
    yield f"+++ {_name('b/' + change.file)}\n"
    same_before = _shared(old, new)
    same_after = _shared(old[same_before:][::-1], new[same_before:][::-1])
    start = max(0, same_before - _CONTEXT)
    stop_old = len(old) - max(0, same_after - _CONTEXT)
    stop_new = len(new) - max(0, same_after - _CONTEXT)
    yield f"@@ -{_range(start, stop_old)} +{_range(start, stop_new)} @@\n"
    yield from (_line(" ", line) for line in old[start:same_before])
    yield from (_line("-", line) for line in old[same_before : len(old) - same_after])
    yield from (_line("+", line) for line in new[same_before : len(new) - same_after])
    yield from (_line(" ", line) for line in old[len(old) - same_after : stop_old])


def _lines(content: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+\Z", content)


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _range(start: int, stop: int) -> str:
    """First line and number of lines; of none, the line before."""
    return f"{start + 1 if stop > start else start},{stop - start}"


def _line(sign: str, line: str) -> str:
    return sign + line if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"


def _name(path: str) -> str:
    """As git writes a path: quoted where it must be, and ended by a tab where it holds a space."""
    if _CONTROL.search(path):
        return '"' + _CONTROL.sub(lambda found: _QUOTED.get(found[0], f"\\{ord(found[0]):03o}"), path) + '"'
    return path + "\t" if " " in path else path
