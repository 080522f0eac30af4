"""Staging: new contents for files of a route folder, tried as a whole and then written, all of them or none."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fingerpost.build.edit.survey import Survey, new_findings, survey
from fingerpost.build.findings import Findings, RouteFilesInvalid
from fingerpost.build.source import Drafts, decode, read_source_bytes
from fingerpost.build.text_files import MAX_BYTES
from fingerpost.durable import lock_folder, put_file, storing
from fingerpost.errors import Conflict
from fingerpost.types import Finding, Severity

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextlib.contextmanager
def staging(folder: Path) -> Iterator["Stage"]:
    """The folder as it is, while no other edit of ours is under way.

    Raises:
        RouteFilesInvalid: there is no such folder.
    """
    if not folder.is_dir():
        survey(folder)
    with lock_folder(folder):
        yield Stage(folder, survey(folder))


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, and what came of it."""

    files: tuple[str, ...]
    after: Survey
    findings: tuple[Finding, ...]  # errors of the folder, which it had before, and warnings that are new


@dataclass(slots=True)
class Stage:
    """A folder as it is, and the contents that are to replace those of its files."""

    folder: Path
    before: Survey
    _read: dict[str, bytes] = field(default_factory=dict)
    _new: dict[str, bytes] = field(default_factory=dict)  # the one that was changed last is written first

    def has(self, name: str) -> bool:
        return name in self._new or self._exists(name)

    def content(self, name: str) -> str:
        """What the file will hold, without its byte order mark.

        Raises:
            RouteFilesInvalid: it cannot be read.
        """
        if name not in self._new:
            self._read[name] = self._new[name] = self._on_disk(name)
        findings = Findings()
        content = decode(name, self._new[name], findings)
        if content is None:
            raise RouteFilesInvalid(findings.ordered())
        return content

    def change(self, name: str, content: str) -> None:
        """Replace what `content` gave."""
        mark = _BYTE_ORDER_MARK if self._new.pop(name).startswith(_BYTE_ORDER_MARK) else b""
        self._new[name] = mark + content.encode()

    def create(self, name: str, content: str) -> None:
        self._new[name] = content.encode()

    def commit(self, *, dry_run: bool = False) -> Written:
        """Write what was changed, or with `dry_run` only prove that it could be written.

        Raises:
            RouteFilesInvalid: with the errors that the folder would have and has not; nothing was written.
            Conflict: somebody else changed a file meanwhile; nothing was written.
            StorageFull
        """
        drafts = {name: data for name, data in reversed(self._new.items()) if data != self._read.get(name)}
        after = survey(self.folder, drafts) if drafts else self.before
        new = new_findings(self.before.findings, after.findings)
        if any(finding.severity is Severity.ERROR for finding in new):
            raise RouteFilesInvalid(new)
        if not dry_run:
            self._write(drafts)
        told = {*new, *after.errors}
        return Written(tuple(drafts), after, tuple(finding for finding in after.findings if finding in told))

    def _on_disk(self, name: str) -> bytes:
        findings = Findings()
        data = read_source_bytes(self.folder / name, MAX_BYTES, findings)
        if data is None:
            raise RouteFilesInvalid(findings.ordered())
        return data

    def _write(self, drafts: Drafts) -> None:
        """Where one cannot be written, those before it get back what they held."""
        for name in drafts:
            self._check_unchanged(name)
        with contextlib.ExitStack() as undo, storing("the route files"):
            for name, data in drafts.items():
                self._put(name, data)
                undo.callback(self._put_back, name)
            undo.pop_all()

    def _check_unchanged(self, name: str) -> None:
        same = self._on_disk(name) == self._read[name] if name in self._read else not self._exists(name)
        if not same:
            raise Conflict(f"{name} was changed by somebody else meanwhile: nothing was written, do it again")

    def _exists(self, name: str) -> bool:
        return os.path.lexists(self.folder / name)

    def _put(self, name: str, data: bytes) -> None:
        """Through a link, whose target is in the folder too, and with the permissions that the file has."""
        path = (self.folder / name).resolve()
        put_file(path, data, path.stat().st_mode & 0o7777 if name in self._read else None)

    def _put_back(self, name: str) -> None:
        if name in self._read:
            self._put(name, self._read[name])
        else:
            (self.folder / name).unlink()
