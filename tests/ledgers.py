"""Pointers of a data folder, as commands have them."""

from pathlib import Path

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.opening import open_database
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import Pointers, open_pointers
from fingerpost.release.audit import sealed


def pointers_of(folder: Path) -> Pointers:
    """Opened as a command opens them; nothing needs closing."""
    with open_pointers(DataFolder(folder)) as pointers:
        return pointers


class Clock:
    """Microseconds that a test sets."""

    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def ledger_of(folder: Path, clock: Clock | None = None) -> SqlLedger:
    return SqlLedger(open_database(folder / "ledger.sqlite", ""), clock or Clock(), sealed)


def told(folder: Path, catalog: str = "default") -> tuple[str, int] | None:
    """Revision and generation that servers are told."""
    activation = FileActivationStore(folder / "catalogs").read(catalog)
    return None if activation is None else (activation.revision, activation.generation)
