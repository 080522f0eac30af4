"""Listing: which revisions a data folder holds, without opening any of them."""

from datetime import UTC, datetime
from pathlib import Path

from fingerpost.backends.file_store import FileActivationStore
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.report import Report, read_report
from fingerpost.errors import FingerpostError
from fingerpost.ports import StoredRevision
from fingerpost.serve.revision_format import MANIFEST, REPORT, Manifest, read_manifest

_DIGEST_CHARACTERS = 64


def stored_revisions(folder: Path) -> list[StoredRevision]:
    """The revisions of a data folder, the latest stored first."""
    data = DataFolder(folder)
    active = _active(data)
    folders = data.revisions.iterdir() if data.revisions.is_dir() else ()
    found = [
        _stored(path, active.get(path.name, ()))
        for path in folders
        if path.is_dir() and len(path.name) == _DIGEST_CHARACTERS
    ]
    return sorted(found, key=lambda one: (-one.stored.timestamp(), one.digest))


def _active(data: DataFolder) -> dict[str, tuple[str, ...]]:
    """Catalogs by the digest that they serve; one whose pointer is damaged serves none."""
    store = FileActivationStore(data.catalogs)
    served: dict[str, tuple[str, ...]] = {}
    for catalog in store.catalogs():
        try:
            activation = store.read(catalog)
        except FingerpostError:
            continue
        if activation is not None:
            served[activation.revision] = (*served.get(activation.revision, ()), catalog)
    return served


def _stored(folder: Path, active_in: tuple[str, ...]) -> StoredRevision:
    manifest, damage = _manifest(folder)
    report = _report(folder)
    accuracy = report.metrics.get("top1_accuracy") if report else None
    learned = report.learned if report else None
    return StoredRevision(
        digest=folder.name,
        stored=datetime.fromtimestamp(folder.stat().st_mtime, tz=UTC),
        active_in=active_in,
        routes=manifest.routes_count if manifest else None,
        exemplars=manifest.exemplars_count if manifest else None,
        encoder=manifest.encoder.name if manifest else None,
        encoder_digest=manifest.encoder.digest if manifest else None,
        tests=report.cases if report else None,
        tests_accuracy=accuracy.value if accuracy else None,
        left_out_accuracy=learned.left_out_accuracy if learned else None,
        damage=damage,
    )


def _manifest(folder: Path) -> tuple[Manifest | None, str | None]:
    try:
        return read_manifest(folder.name, (folder / MANIFEST).read_bytes()), None
    except FingerpostError as error:
        return None, error.message
    except OSError as error:
        return None, f"{MANIFEST} cannot be read: {error.strerror}"


def _report(folder: Path) -> Report | None:
    try:
        return read_report((folder / REPORT).read_bytes())
    except (OSError, ValueError):
        return None
