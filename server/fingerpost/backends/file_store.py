"""Revisions and activations as files: content-addressed folders and one small pointer a catalog."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path

from fingerpost.durable import holds, lock, put_file, put_folder, storing
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, NotFound
from fingerpost.failpoints import Step, reached
from fingerpost.serve.runtime import CATALOG_NAME, CATALOG_NAME_RULE
from fingerpost.types import Activation


class FileRevisionStore:
    """`revisions/<digest>/`, written once and never touched again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(self, digest: str, files: Mapping[str, bytes]) -> None:
        """Store the files under their digest; equal ones that are already there are left alone.

        A folder of that digest whose bytes differ is damaged and is set aside.

        Raises:
            StorageFull: nothing of the revision is left behind.
        """
        target = self._folder / digest
        with storing("the revision"):
            self._folder.mkdir(parents=True, exist_ok=True)
            with lock(self._folder / ".lock"):
                if not (target.is_dir() and holds(target, files)):
                    put_folder(target, files)
        reached(Step.REVISION_STORED)

    def read(self, digest: str) -> dict[str, bytes]:
        """All files of a revision, as bytes, unverified.

        Raises:
            NotFound: there is no such revision.
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, it holds what is no file: a link, a folder, a pipe.
        """
        target = self._folder / digest
        if not target.is_dir():
            raise NotFound(f"revision {digest[:12]} is not stored here", ErrorReason.REVISION_NOT_FOUND)
        return {path.name: _read_regular(digest, path) for path in sorted(target.iterdir())}


def _read_regular(digest: str, path: Path) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise FailedPrecondition(
            f"revision {digest[:12]}: {path.name} is no regular file: reindex to publish it anew",
            ErrorReason.ARTEFACT_INCOMPATIBLE,
            metadata={"file": path.name},
        )
    return path.read_bytes()


class FileActivationStore:
    """`catalogs/<name>.json`: the revision in force and its generation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def catalogs(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("[!.]*.json"))

    def read(self, catalog: str) -> Activation | None:
        """The catalog's pointer, None when it never had one.

        Raises:
            DataLoss: the pointer cannot be read.
        """
        try:
            row = json.loads((self._folder / f"{catalog}.json").read_bytes())
            return Activation(catalog, str(row["revision"]), int(row["generation"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DataLoss(f"the pointer of catalog {catalog} cannot be read: reindex --catalog {catalog}") from error

    def follow(self, activation: Activation) -> None:
        """Write the pointer that the ledger holds, unless another process wrote a later one meanwhile.

        Raises:
            DataLoss: STORE_CORRUPT, the ledger has a catalog whose name can be no file's: nothing is written.
            StorageFull: the old pointer stays.
        """
        if not CATALOG_NAME.match(activation.catalog):
            raise DataLoss(
                f"the ledger names a catalog {activation.catalog!r}, and a catalog's name is {CATALOG_NAME_RULE}: "
                "remove its pointer there",
                ErrorReason.STORE_CORRUPT,
            )
        with storing("the pointer"):
            self._folder.mkdir(parents=True, exist_ok=True)
            with lock(self._folder / f".{activation.catalog}.lock"):
                if self._generation(activation.catalog) < activation.generation:
                    row = {"revision": activation.revision, "generation": activation.generation}
                    put_file(self._folder / f"{activation.catalog}.json", json.dumps(row).encode() + b"\n")
        reached(Step.POINTER_FOLLOWED)

    def _generation(self, catalog: str) -> int:
        try:
            current = self.read(catalog)
        except DataLoss:  # writing it anew is what mends it
            return 0
        return current.generation if current else 0
