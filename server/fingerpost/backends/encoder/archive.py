"""A built encoder as one file, to carry it to a machine without torch."""

import hashlib
import re
import tarfile
from pathlib import Path

from fingerpost.backends.encoder.folder import MANIFEST, EncoderFolder, read_manifest, write_encoder
from fingerpost.durable import storing
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MAX_FILES = 16
_MAX_BYTES = 8 << 30


def export_encoder(encoders: Path, digest: str, out: Path) -> None:
    """Write the verified files of an encoder to an uncompressed tar file.

    Raises:
        DataLoss, FailedPrecondition: the encoder is damaged or not there.
        StorageFull: nothing is left behind.
    """
    stored = EncoderFolder.open(encoders / digest, digest)
    stored.verify()
    scratch = out.with_name(f".{out.name}.new")
    try:
        with storing("the archive"), tarfile.open(scratch, "w") as archive:
            for path in sorted((encoders / digest).iterdir()):
                archive.add(path, arcname=path.name, recursive=False, filter=_anonymous)
        scratch.rename(out)
    finally:
        scratch.unlink(missing_ok=True)


def import_encoder(encoders: Path, archive: Path) -> str:
    """Store the encoder of an exported file and return its digest; nothing is stored unless every byte is right.

    Raises:
        DataLoss: a file is not what the manifest promises.
        FailedPrecondition: ARTEFACT_INCOMPATIBLE, it is no exported encoder, or of another version.
        StorageFull: nothing is left behind.
    """
    files = _read(archive)
    if MANIFEST not in files:
        raise _refused(f"{MANIFEST} is missing")
    manifest, sums = read_manifest(files[MANIFEST])
    content = {name: data for name, data in files.items() if name != MANIFEST}
    if content.keys() != sums.keys():
        raise _refused(f"files missing or too many: {', '.join(sorted(content.keys() ^ sums.keys()))}")
    for name, data in content.items():
        if hashlib.sha256(data).hexdigest() != sums[name][0]:
            raise DataLoss(f"{name} of the archive is damaged: export it anew", metadata={"file": name})
    return write_encoder(encoders, manifest, content)


def _read(archive: Path) -> dict[str, bytes]:
    """The archive's members, which are never unpacked to a place that they name."""
    try:
        with tarfile.open(archive, "r:") as tar:
            members = tar.getmembers()
            odd = [m.name for m in members if not (m.isreg() and _NAME.match(m.name))]
            if odd or len(members) > _MAX_FILES or sum(m.size for m in members) > _MAX_BYTES:
                raise _refused("it holds what no encoder holds")
            return {m.name: reader.read() for m in members if (reader := tar.extractfile(m)) is not None}
    except (OSError, tarfile.TarError) as error:
        raise _refused(f"{archive.name} cannot be read as a tar file") from error


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Neither owner nor time: the same encoder gives the same archive."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def _refused(why: str) -> FailedPrecondition:
    return FailedPrecondition(f"this is no exported encoder: {why}", ErrorReason.ARTEFACT_INCOMPATIBLE)
