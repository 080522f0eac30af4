"""`backends.encoder.folder`: nothing but the very bytes that were written is ever used."""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.encoder.folder import (
    CANARY_TEXTS,
    MANIFEST,
    TOKENIZER,
    EncoderFolder,
    Manifest,
    find,
    write_encoder,
)
from fingerpost.backends.encoder.source import EncoderSource, Precision, describe
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition

MANIFEST_VALUE = Manifest(
    name="minilm",
    source=describe(EncoderSource()),
    dim=4,
    max_tokens=16,
    prompt="",
    prefix_ids=(101,),
    suffix_ids=(102,),
    precision=Precision.INT8,
    int8_min_cosine=0.98,
    libraries={"torch": "2.0"},
)


def npy(array: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


FILES = {
    TOKENIZER: b'{"tokenizer": 1}' * 10,
    CANARY_TEXTS: json.dumps(["one", "two"]).encode(),
    "model.fp32.onnx": bytes(range(256)) * 8,
    "canaries.fp32.npy": npy(np.eye(2, 4, dtype=np.float32)),
    "model.int8.onnx": bytes(range(256)),
    "canaries.int8.npy": npy(np.eye(2, 4, dtype=np.float32)),
}
ALL_NAMES = sorted([*FILES, MANIFEST])


@pytest.fixture
def encoders(tmp_path: Path) -> Path:
    return tmp_path / "encoders"


@pytest.fixture
def folder(encoders: Path) -> Path:
    return encoders / write_encoder(encoders, MANIFEST_VALUE, FILES)


def open_and_verify(folder: Path) -> None:
    EncoderFolder.open(folder, folder.name).verify()


def refused_as_incompatible(folder: Path) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        open_and_verify(folder)
    assert caught.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE


def test_what_is_written_is_read_back(folder: Path) -> None:
    """Manifest, files and canaries come back as they were, under the digest of the manifest's bytes."""
    stored = EncoderFolder.open(folder, folder.name)
    assert stored.manifest == MANIFEST_VALUE
    assert {name: stored.read(name) for name in FILES} == FILES
    assert stored.canaries(Precision.INT8)[0] == ["one", "two"]
    assert folder.name == hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


@pytest.mark.fault("S7")
@pytest.mark.parametrize("name", ALL_NAMES)
def test_every_flipped_bit_is_caught(folder: Path, name: str) -> None:
    """One flipped bit anywhere in any file is a DataLoss that names the file and both checksums."""
    chance = random.Random(name)  # noqa: S311  reproducible places, no secret
    sound = (folder / name).read_bytes()
    for _ in range(40):
        damaged = bytearray(sound)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (folder / name).write_bytes(damaged)
        with pytest.raises(DataLoss, match=f"{name}.*sha256 [0-9a-f]{{12}}, expected [0-9a-f]{{12}}"):
            open_and_verify(folder)


@pytest.mark.fault("S7")
@pytest.mark.parametrize("name", ALL_NAMES)
def test_truncated_files_are_caught(folder: Path, name: str) -> None:
    """A file that lost its last byte is a DataLoss."""
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(DataLoss, match=name):
        open_and_verify(folder)


@pytest.mark.parametrize("name", ALL_NAMES)
def test_missing_files_are_refused(folder: Path, name: str) -> None:
    """A folder without one of its files is refused."""
    (folder / name).unlink()
    refused_as_incompatible(folder)


@pytest.mark.fault("S9")
def test_extra_files_are_refused(folder: Path) -> None:
    """A file that nobody listed has no business in the folder."""
    (folder / "model.data").write_bytes(b"weights")
    refused_as_incompatible(folder)


@pytest.mark.fault("S8")
@pytest.mark.parametrize("name", ALL_NAMES)
def test_links_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    """A link is refused even when it leads to the right bytes."""
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    refused_as_incompatible(folder)


def test_a_linked_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    """The encoder's folder itself must not be a link either."""
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FailedPrecondition):
        open_and_verify(folder)


@pytest.mark.fault("S8")
def test_a_pipe_does_not_hang(folder: Path) -> None:
    """A named pipe in place of a file is refused at once."""
    (folder / TOKENIZER).unlink()
    os.mkfifo(folder / TOKENIZER)
    refused_as_incompatible(folder)


def test_another_digest_is_refused(folder: Path) -> None:
    """A sound encoder under another encoder's digest is a DataLoss."""
    with pytest.raises(DataLoss, match=MANIFEST):
        EncoderFolder.open(folder, "0" * 64)


def test_an_absent_encoder_says_what_to_do(encoders: Path) -> None:
    """An encoder that is not there is ENCODER_UNAVAILABLE, with the remedy."""
    with pytest.raises(FailedPrecondition, match="reindex") as caught:
        EncoderFolder.open(encoders / ("0" * 64), "0" * 64)
    assert caught.value.reason == ErrorReason.ENCODER_UNAVAILABLE


def rewritten(folder: Path, change: Callable[[dict[str, object]], object]) -> Path:
    """The same folder with another manifest, under that one's own digest."""
    fields = json.loads((folder / MANIFEST).read_bytes())
    change(fields)
    data = json.dumps(fields).encode()
    other = folder.parent / hashlib.sha256(data).hexdigest()
    shutil.copytree(folder, other)
    (other / MANIFEST).write_bytes(data)
    return other


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(schema_version=2),
        lambda fields: fields.update(surprise=1),
        lambda fields: fields.pop("dim"),
        lambda fields: fields.pop("files"),
        lambda fields: fields["files"].pop(TOKENIZER),
        lambda fields: fields["files"].update({"../secret": {"sha256": "0" * 64, "bytes": 1}}),
        lambda fields: fields.update(precision="int4"),
    ],
    ids=["newer schema", "unknown key", "missing key", "no files", "unlisted file", "path outside", "precision"],
)
def test_other_formats_are_refused(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """A manifest that this version would not write is refused, although its digest is right."""
    refused_as_incompatible(rewritten(folder, change))


def test_an_fp32_encoder_holds_no_int8_files(encoders: Path) -> None:
    """With the precision fp32 a quantised model is neither stored nor expected."""
    manifest = replace(MANIFEST_VALUE, precision=Precision.FP32)
    files = {name: data for name, data in FILES.items() if "int8" not in name}
    digest = write_encoder(encoders, manifest, files)
    assert EncoderFolder.open(encoders / digest, digest).manifest.precisions == (Precision.FP32,)


def test_writing_twice_changes_nothing(encoders: Path, folder: Path) -> None:
    """An equal folder that is already there is left alone."""
    before = (folder / MANIFEST).stat()
    assert write_encoder(encoders, MANIFEST_VALUE, FILES) == folder.name
    assert (folder / MANIFEST).stat().st_mtime_ns == before.st_mtime_ns


def test_writing_mends_a_damaged_folder(encoders: Path, folder: Path) -> None:
    """A damaged folder of the same digest is set aside and replaced."""
    (folder / TOKENIZER).write_bytes(b"damaged")
    write_encoder(encoders, MANIFEST_VALUE, FILES)
    open_and_verify(folder)
    (aside,) = encoders.glob("quarantine-*")
    assert (aside / folder.name / TOKENIZER).read_bytes() == b"damaged"


def test_leftovers_of_a_killed_write_are_removed(encoders: Path) -> None:
    """What a kill left half written is gone after the next write."""
    (encoders / ".scratch-killed").mkdir(parents=True)
    write_encoder(encoders, MANIFEST_VALUE, FILES)
    assert list(encoders.glob(".scratch-*")) == []


def test_an_encoder_is_found_by_its_source(encoders: Path, folder: Path) -> None:
    """The source that an encoder was built from leads to its digest, another source does not."""
    assert find(encoders, EncoderSource()) == folder.name
    assert find(encoders, EncoderSource(precision=Precision.FP32)) is None
    assert find(encoders, EncoderSource(prompt="query: ")) is None


def test_a_source_whose_encoder_is_unusable_is_not_found(encoders: Path, folder: Path) -> None:
    """A missing file of the encoder, or a broken note of its source, means building anew."""
    (folder / TOKENIZER).unlink()
    assert find(encoders, EncoderSource()) is None
    write_encoder(encoders, MANIFEST_VALUE, FILES)
    assert find(encoders, EncoderSource()) == folder.name
    (note,) = (encoders / "sources").glob("*.json")
    note.write_bytes(b"[1]")
    assert find(encoders, EncoderSource()) is None


DISK_FULL = """
import resource, signal, sys
from pathlib import Path
from fingerpost.errors import StorageFull
from tests.unit.test_encoder_folder import FILES, MANIFEST_VALUE, write_encoder
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_encoder(Path(sys.argv[1]), MANIFEST_VALUE, FILES)
except StorageFull as error:
    print(error.message)
"""


def test_a_full_disk_leaves_nothing(encoders: Path) -> None:
    """When the files do not fit, StorageFull is raised and nothing of the encoder is left."""
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(encoders)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "free some space" in done.stdout
    assert [path.name for path in encoders.iterdir()] == [".lock"]
