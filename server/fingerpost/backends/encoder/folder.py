"""The format of `encoders/<digest>/`: a built encoder as files that are checked before they are used.

    encoder.json         what the encoder is, and the sha256 and size of every other file
    tokenizer.json       padding and truncation off: ids are cut by us
    model.fp32.onnx      one input `input_ids` (1, tokens) int64, one output (1, dim) float32
    model.int8.onnx      the same, quantised; absent when the precision is fp32
    canaries.json        texts whose vectors are known
    canaries.fp32.npy    their vectors: (texts, dim) float32, unit rows
    canaries.int8.npy    likewise of the quantised model

The digest is the sha256 of encoder.json, which holds no time and no path: it covers every byte of the folder, and two
builds of the same weights by the same libraries share it. Beside the encoders, `encoders/sources/<key>.json` remembers
which digest was built from which source, so that an encoder that exists is found without its weights.
"""

import dataclasses
import errno
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fingerpost.backends.encoder.source import EncoderSource, Precision, Source, describe
from fingerpost.durable import lock, put_file, put_folder, storing
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, FingerpostError
from fingerpost.failpoints import Step, reached
from fingerpost.types import EncoderId, Vectors

SCHEMA_VERSION = 1
MANIFEST = "encoder.json"
TOKENIZER = "tokenizer.json"
CANARY_TEXTS = "canaries.json"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HASH_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Manifest:
    """What encoder.json says of the encoder, but for the checksums."""

    name: str
    source: Source
    dim: int
    max_tokens: int  # special tokens included
    prompt: str  # stands before every text
    prefix_ids: tuple[int, ...]  # special tokens before the content
    suffix_ids: tuple[int, ...]  # and after it
    precision: Precision  # preferred
    int8_min_cosine: float | None  # to fp32, over the canaries; None when never quantised
    libraries: Mapping[str, str]  # name to version, of what the bytes of the models depend on

    @property
    def content_tokens(self) -> int:
        """How many tokens of prompt and text fit into the window."""
        return self.max_tokens - len(self.prefix_ids) - len(self.suffix_ids)

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What the folder holds, preferred first."""
        return (Precision.INT8, Precision.FP32) if self.precision is Precision.INT8 else (Precision.FP32,)

    @property
    def file_names(self) -> frozenset[str]:
        """Every file of the folder but encoder.json."""
        models = {name for precision in self.precisions for name in (precision.model_file, precision.canary_file)}
        return frozenset(models | {TOKENIZER, CANARY_TEXTS})


class EncoderFolder:
    """A stored encoder whose manifest is verified; each other file is verified when it is read."""

    def __init__(self, folder: Path, digest: str, manifest: Manifest, sums: Mapping[str, tuple[str, int]]) -> None:
        self._folder = folder
        self._sums = sums
        self.digest = digest
        self.manifest = manifest

    @classmethod
    def open(cls, folder: Path, digest: str) -> "EncoderFolder":
        """Verify the manifest, the list of files and their sizes.

        Args:
            folder: `encoders/<digest>`.
            digest: Which encoder it must be: sha256 hex of its manifest.

        Raises:
            DataLoss: the manifest or a file's size is not what the digest promises.
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, another version of the format, a file missing or too many, or a
                link; ENCODER_UNAVAILABLE, no such folder.
        """
        if folder.is_symlink() or not folder.is_dir():
            raise FailedPrecondition(
                f"encoder {digest[:_HASH_SHOWN]} is not stored here: reindex, or copy its folder into encoders/",
                ErrorReason.ENCODER_UNAVAILABLE,
                metadata={"encoder": digest},
            )
        data = _read_regular(folder / MANIFEST)
        _check_sum(MANIFEST, data, digest)
        manifest, sums = read_manifest(data)
        _check_listing(folder, manifest, sums)
        return cls(folder, digest, manifest, sums)

    @property
    def encoder(self) -> EncoderId:
        return EncoderId(self.digest, self.manifest.name, self.manifest.dim, self.manifest.max_tokens)

    def read(self, name: str) -> bytes:
        """A file's verified bytes.

        Raises:
            DataLoss: the bytes are not those that were written.
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, the file is gone or a link.
        """
        data = _read_regular(self._folder / name)
        _check_sum(name, data, self._sums[name][0])
        return data

    def canaries(self, precision: Precision) -> tuple[list[str], Vectors]:
        """The canary texts and their vectors, shape (texts, dim), float32, unit rows."""
        texts = json.loads(self.read(CANARY_TEXTS))
        vectors = np.load(io.BytesIO(self.read(precision.canary_file)), allow_pickle=False)
        if vectors.dtype != np.float32 or vectors.shape != (len(texts), self.manifest.dim):
            _incompatible(f"{precision.canary_file} holds {vectors.dtype} {vectors.shape}", precision.canary_file)
        return texts, vectors

    def verify(self) -> None:
        """Read every file; raises what `read` raises."""
        for name in sorted(self._sums):
            self.read(name)


def write_encoder(encoders: Path, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Store an encoder as `encoders/<digest>/`, whole or not at all, and remember it for its source.

    An equal folder that is already there is left alone; a damaged one of that digest is set aside.

    Args:
        encoders: The folder of encoders; made when it is missing.
        manifest: What the encoder is.
        files: Bytes of each of `manifest.file_names`.

    Returns:
        The digest.

    Raises:
        StorageFull: nothing of the encoder is left behind.
    """
    if set(files) != manifest.file_names:
        raise ValueError(f"an encoder consists of {sorted(manifest.file_names)}, not {sorted(files)}")
    described = _describe(manifest, files)
    digest = hashlib.sha256(described).hexdigest()
    with storing("the encoder"):
        encoders.mkdir(parents=True, exist_ok=True)
        with lock(encoders / ".lock"):
            if not _intact(encoders / digest, digest):
                put_folder(encoders / digest, {**files, MANIFEST: described})
            reached(Step.ENCODER_STORED)
            _remember(encoders, manifest.source, digest)
            reached(Step.ENCODER_REMEMBERED)
    return digest


def remove_encoder(encoders: Path, digest: str) -> None:
    """Remove a stored encoder that nothing names; `find` does not find it any more."""
    with lock(encoders / ".lock"):
        shutil.rmtree(encoders / digest, ignore_errors=True)


def find(encoders: Path, source: EncoderSource) -> str | None:
    """The digest of the encoder that was built from this source; None when there is none that can be opened.

    A plain source never finds a tuned encoder, nor one that was tuned on other texts.

    Loads neither weights nor the libraries that build.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, the source's name means nothing.
    """
    key = describe(source).key
    try:
        row = json.loads((encoders / "sources" / f"{key}.json").read_bytes())
        digest = str(row["digest"])
        EncoderFolder.open(encoders / digest, digest)
    except (OSError, ValueError, KeyError, TypeError, FingerpostError):
        return None  # whatever is wrong with it, building anew mends it
    return digest


# --- Reading ------------------------------------------------------------------------------------------------------


def read_manifest(data: bytes) -> tuple[Manifest, dict[str, tuple[str, int]]]:
    """The manifest and each file's sha256 and size.

    Raises:
        FailedPrecondition: ARTEFACT_INCOMPATIBLE.
    """
    try:
        fields: dict[str, Any] = json.loads(data)
        version = fields.pop("schema_version")
        if version != SCHEMA_VERSION:
            _incompatible(f"{MANIFEST} has schema version {version}, this program reads {SCHEMA_VERSION}", MANIFEST)
        sums = {str(name): (str(row["sha256"]), int(row["bytes"])) for name, row in fields.pop("files").items()}
        source = fields.pop("source")
        manifest = Manifest(
            source=Source.of(source),
            precision=Precision(fields.pop("precision")),
            prefix_ids=tuple(fields.pop("prefix_ids")),
            suffix_ids=tuple(fields.pop("suffix_ids")),
            **fields,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        _incompatible(f"{MANIFEST} cannot be understood", MANIFEST)
    return manifest, sums


def _check_listing(folder: Path, manifest: Manifest, sums: Mapping[str, tuple[str, int]]) -> None:
    present = {path.name for path in folder.iterdir()}
    odd = sorted((present ^ {*manifest.file_names, MANIFEST}) | (sums.keys() ^ manifest.file_names))
    if odd:
        _incompatible(f"files missing or too many: {', '.join(odd)}", odd[0])
    for name, (_, size) in sums.items():
        found = (folder / name).lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size != size:
            raise DataLoss(
                f"{name} of the encoder has {found.st_size} bytes, not {size}: remove the encoder's folder and reindex",
                metadata={"file": name},
            )


def _read_regular(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # non-blocking: a pipe must not hang us
    except OSError as error:
        if error.errno == errno.ELOOP:
            _incompatible(f"{path.name} is a link: copy the file itself", path.name)
        _incompatible(f"{path.name} cannot be read ({error.strerror})", path.name)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            _incompatible(f"{path.name} is no regular file", path.name)
        return file.read()


def _check_sum(name: str, data: bytes, expected: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise DataLoss(
            f"{name} of the encoder is damaged: sha256 {found[:_HASH_SHOWN]}, expected {expected[:_HASH_SHOWN]}; "
            "remove the encoder's folder and reindex",
            metadata={"file": name, "found": found, "expected": expected},
        )


def _incompatible(what: str, file: str) -> NoReturn:
    raise FailedPrecondition(
        f"the encoder cannot be used: {what}", ErrorReason.ARTEFACT_INCOMPATIBLE, metadata={"file": file}
    )


# --- Writing ------------------------------------------------------------------------------------------------------


def _describe(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    fields = {**dataclasses.asdict(manifest), "source": manifest.source.fields()}
    sums = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    return _canonical({**fields, "schema_version": SCHEMA_VERSION, "files": sums})


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _intact(folder: Path, digest: str) -> bool:
    try:
        EncoderFolder.open(folder, digest).verify()
    except FingerpostError:
        return False
    return True


def _remember(encoders: Path, source: Source, digest: str) -> None:
    folder = encoders / "sources"
    folder.mkdir(exist_ok=True)
    row = {"schema_version": SCHEMA_VERSION, "source": source.fields(), "digest": digest}
    put_file(folder / f"{source.key}.json", _canonical(row))
