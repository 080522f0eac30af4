"""A process and all that it started, seen from outside by /proc: memory, processor time, descriptors, threads."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Family:
    """Who counts is looked up anew at each reading; a process that ends meanwhile counts nothing."""

    pid: int

    def __iter__(self) -> Iterator[int]:
        yield from _with_children(self.pid)

    @property
    def memory_bytes(self) -> int:
        """Resident memory; pages that several of them share are counted once."""
        return sum(_kilobytes(pid, "smaps_rollup", "Pss") for pid in self) * 1024

    @property
    def anonymous_bytes(self) -> int:
        """What of it they took for themselves: by this growth is told.

        Pages of files are read again when they are needed, and what they count for depends on which other programs on
        the machine have the same files open.
        """
        return sum(_kilobytes(pid, "smaps_rollup", "Pss_Anon") for pid in self) * 1024

    @property
    def peak_bytes(self) -> int:
        """The most resident memory since `forget_peak`, of each for itself, added up."""
        return sum(_kilobytes(pid, "status", "VmHWM") for pid in self) * 1024

    def forget_peak(self) -> None:
        for pid in self:
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    @property
    def cpu_seconds(self) -> float:
        """Time that their threads ran since they started."""
        return sum(_ticks(pid) for pid in self) / _TICKS_PER_SECOND

    @property
    def first_thread_cpu_seconds(self) -> float:
        """Likewise of the thread alone that the process began with."""
        return _ticks(self.pid, f"task/{self.pid}/stat") / _TICKS_PER_SECOND

    @property
    def children(self) -> list["Family"]:
        """Processes that it started and that still run."""
        return [Family(child) for child in _children(self.pid)]

    @property
    def descriptors(self) -> int:
        return sum(_entries(pid, "fd") for pid in self)

    @property
    def threads(self) -> int:
        return sum(_entries(pid, "task") for pid in self)


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _with_children(child)


def _children(pid: int) -> list[int]:
    return [int(child) for task in _listed(pid, "task") for child in _read(pid, f"task/{task}/children").split()]


def _kilobytes(pid: int, file: str, name: str) -> int:
    found = (line.split()[1] for line in _read(pid, file).splitlines() if line.startswith(f"{name}:"))
    return int(next(found, "0"))


def _ticks(pid: int, file: str = "stat") -> int:
    fields = _read(pid, file).rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields else 0


def _entries(pid: int, folder: str) -> int:
    return len(_listed(pid, folder))


def _listed(pid: int, folder: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(f"/proc/{pid}/{folder}")
    return []


def _read(pid: int, file: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")
    return ""
