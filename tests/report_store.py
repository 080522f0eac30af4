"""A store of reports in memory that keeps the contract of `money_ports.ReportStore`; waits or fails when told to."""

import threading
from collections.abc import Sequence

from fingerpost.types import Recorded, ReportRow


class MemoryReports:
    """Keeps the first report of a decision and caller; safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.kept: dict[tuple[str, str], ReportRow] = {}
        self.written: list[list[ReportRow]] = []  # what each call brought
        self.failures: list[Exception | None] = []  # of the next calls, before anything is kept; None: it does not fail
        self.away: Exception | None = None  # raised by everything
        self.gate = threading.Event()  # until it is set nothing is written
        self.gate.set()
        self.came = threading.Semaphore(0)  # released for each call

    def record(self, rows: Sequence[ReportRow]) -> Sequence[Recorded]:
        self.came.release()
        self.gate.wait()
        if self.away is not None:
            raise self.away
        with self._guard:
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None:
                raise failure
            self.written.append(list(rows))
            return [self._recorded(row) for row in rows]

    def reports(self, *, catalog: str = "", arms: Sequence[str] = (), since_us: int = 0) -> Sequence[ReportRow]:
        return [
            row
            for row in self.kept.values()
            if catalog in ("", row.catalog) and (not arms or row.arm in arms) and row.reported_us >= since_us
        ]

    def forget(self, before_us: int, most: int) -> int:
        gone = [name for name, row in self.kept.items() if row.reported_us < before_us][:most]
        for name in gone:
            del self.kept[name]
        return len(gone)

    def _recorded(self, row: ReportRow) -> Recorded:
        kept = self.kept.setdefault((row.key, row.caller), row)
        return Recorded(repeated=kept != row, kept=kept)
