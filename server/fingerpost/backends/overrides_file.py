"""Overrides file: what is set by hand, as the ledger says it, for servers to follow without a database."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fingerpost.durable import lock, put_file, storing
from fingerpost.errors import DataLoss
from fingerpost.types import Override

_overrides = TypeAdapter(tuple[Override, ...])


class OverridesFile:
    """`overrides.json` of a data folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def follow(self, read: Callable[[], Sequence[Override]]) -> None:
        """Write what the ledger holds, read while nobody else writes: so the later state stays.

        Raises:
            StorageFull, Unavailable: the old one stays. What `read` raises is raised.
        """
        with storing("what is set by hand"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with lock(self._path.with_name(f".{self._path.name}.lock")):
                data = _overrides.dump_json(tuple(read()), indent=1) + b"\n"
                if not (self._path.exists() and self._path.read_bytes() == data):
                    put_file(self._path, data)

    def mark(self) -> tuple[int, int]:
        """Another one each time it is written; zeros: it is not there."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return stat.st_mtime_ns, stat.st_ino  # two writes may be as near as what times are counted in

    def read(self) -> Sequence[Override]:
        """What is set.

        Raises:
            DataLoss: the file cannot be read.
        """
        try:
            return _overrides.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            raise DataLoss(
                f"{self._path.name} cannot be read: any change by `fingerpost budget`, `breaker` or `experiment` "
                "writes it anew"
            ) from error
