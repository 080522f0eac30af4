"""Sharing: revisions and their encoders between a data folder and the place that machines share."""

from collections import Counter
from collections.abc import Mapping

import structlog

from fingerpost.backends.encoder.folder import MANIFEST as ENCODER_MANIFEST, read_manifest as read_encoder_manifest
from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.shared.artefacts import FileSum, Kind, SharedArtefacts
from fingerpost.backends.shared.target import Target
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.errors import FingerpostError, InvalidRequest, NotFound
from fingerpost.serve.revision_format import MANIFEST, decode, read_manifest
from fingerpost.types import Revision

_log = structlog.get_logger(__name__)


def _revision_sums(digest: str, manifest: bytes) -> Mapping[str, FileSum]:
    return {name: (entry.sha256, entry.bytes) for name, entry in read_manifest(digest, manifest).files.items()}


def _encoder_sums(_: str, manifest: bytes) -> Mapping[str, FileSum]:
    return read_encoder_manifest(manifest)[1]


REVISION = Kind("revision", "revisions", MANIFEST, _revision_sums, 8 << 30)
ENCODER = Kind("encoder", "encoders", ENCODER_MANIFEST, _encoder_sums, 8 << 30)


class Sharing:
    """A data folder and the place that it shares with others."""

    def __init__(self, data: DataFolder, counts: Counter[tuple[str, str]] | None = None) -> None:
        """Nothing is reached until it is used; for `counts` see `SharedArtefacts`."""
        self._data = data
        self._artefacts = SharedArtefacts(Target(data.shared), data.root, Counter() if counts is None else counts)

    def mend(self, digest: str) -> bool:
        """Have the revision and its encoder here and whole, from the shared place where they are not.

        Returns:
            Whether something came.

        Raises:
            NotFound, DataLoss, FailedPrecondition, Unavailable, StorageFull: see `SharedArtefacts.fetch`.
        """
        came = self.mend_revision(digest)
        return self._artefacts.fetch(ENCODER, self._encoder_of(digest)) or came

    def mend_revision(self, digest: str) -> bool:
        """As `mend`, without the encoder."""
        return self._artefacts.fetch(REVISION, digest)

    def publish(self, digest: str) -> None:
        """Let the shared place have the revision and before it its encoder, every byte compared.

        Raises:
            NotFound, DataLoss, FailedPrecondition, Unavailable, StorageFull: see `SharedArtefacts.put`.
        """
        self._artefacts.put(ENCODER, self._encoder_of(digest))
        self._artefacts.put(REVISION, digest)

    def offer(self, digest: str) -> None:
        """As `publish`, but only what is not there."""
        encoder = self._encoder_of(digest)
        if not self._artefacts.has(ENCODER, encoder):
            self._artefacts.put(ENCODER, encoder)
        if not self._artefacts.has(REVISION, digest):
            self._artefacts.put(REVISION, digest)

    def named(self, begins: str) -> str:
        """Digest of the only revision, here or there, that begins so.

        Raises:
            InvalidRequest: too little of a digest, or several revisions begin so.
            NotFound: none does.
            Unavailable: ARTEFACTS_UNAVAILABLE.
        """
        try:
            return self._data.named(begins)
        except NotFound as error:
            found = [digest for digest in self._artefacts.digests(REVISION) if digest.startswith(begins)]
            if len(found) > 1:
                raise InvalidRequest(f"{len(found)} revisions begin with {begins}: give more characters") from error
            if not found:
                raise
            return found[0]

    def _encoder_of(self, digest: str) -> str:
        return read_manifest(digest, (self._data.revisions / digest / MANIFEST).read_bytes()).encoder.digest


class SharedRevisionStore:
    """The data folder's revisions, each of which the shared place gets too; see `ports.RevisionStore`."""

    def __init__(self, data: DataFolder) -> None:
        self._files = FileRevisionStore(data.revisions)
        self._sharing = Sharing(data)

    def publish(self, digest: str, files: Mapping[str, bytes]) -> None:
        """Raises beside what `FileRevisionStore.publish` does: Unavailable, ARTEFACTS_UNAVAILABLE."""
        self._files.publish(digest, files)
        self._sharing.publish(digest)

    def read(self, digest: str) -> dict[str, bytes]:
        return self._files.read(digest)


def revision_store(data: DataFolder) -> FileRevisionStore | SharedRevisionStore:
    return SharedRevisionStore(data) if data.shared else FileRevisionStore(data.revisions)


def named(data: DataFolder, begins: str) -> str:
    """Digest of the revision that begins so, here or in the shared place; see `Sharing.named`."""
    return Sharing(data).named(begins) if data.shared else data.named(begins)


def stored(data: DataFolder, digest: str) -> Revision:
    """A revision of the data folder, verified.

    Raises:
        NotFound, DataLoss, FailedPrecondition: it is not stored, or not whole.
    """
    return decode(digest, FileRevisionStore(data.revisions).read(digest))


def whole(data: DataFolder, digest: str) -> Revision:
    """As `stored`; fetched where it is missing or damaged and machines share it.

    Raises:
        NotFound, DataLoss, FailedPrecondition: it is not stored, or not whole.
        Unavailable: ARTEFACTS_UNAVAILABLE, nor can it be fetched now.
        StorageFull: there is no room for it.
    """
    try:
        return stored(data, digest)
    except FingerpostError:
        if not data.shared or not Sharing(data).mend_revision(digest):
            raise
    return stored(data, digest)


def shared(data: DataFolder, digest: str) -> Revision:
    """As `whole`; and where machines share revisions, it is put there if it is not."""
    revision = whole(data, digest)
    if data.shared:
        Sharing(data).offer(digest)
    return revision


def is_known(data: DataFolder, digest: str) -> bool:
    """Whether a revision is stored, here or in the shared place; it is in both then, so that every server can have it.

    Raises:
        DataLoss, FailedPrecondition: it is not whole, or of another version of the program.
        Unavailable: ARTEFACTS_UNAVAILABLE, the shared place cannot be asked.
        StorageFull: there is no room for it.
    """
    try:
        shared(data, digest)
    except NotFound:
        return False
    return True


def offer_if_possible(data: DataFolder, digest: str) -> None:
    """Put a revision that was served before into the shared place, where it should be.

    To go back must not fail for it: what is wrong is logged.
    """
    if not data.shared:
        return
    try:
        Sharing(data).offer(digest)
    except FingerpostError as error:
        _log.warning("revision_not_shared", revision=digest, error=error.message)
