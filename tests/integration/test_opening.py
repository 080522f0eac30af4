"""Opening a revision: what is refused although every file is whole."""

from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.bootstrap import DataFolder, SnapshotOpener
from fingerpost.build.publish import publish
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition
from fingerpost.serve.runtime import Runtime
from fingerpost.types import Activation, EncoderId, Exemplar
from tests.fakes import decider


def opened(folder: Path, encoders: Path, encoder: EncoderId, kind: str = "faiss-flat-ip", dim: int = 384) -> None:
    """Publish a revision of one zero-route exemplar with these claims, and open it."""
    data = DataFolder(folder)
    data.encoders.symlink_to(encoders)
    vector = np.eye(1, dim, dtype=np.float32)
    index = FaissFlatEngine().build(vector)
    store = FileRevisionStore(data.revisions)
    digest = publish(store, encoder, (Exemplar("a", 0),), kind, index, None, decider(), b"{}\n")
    SnapshotOpener(data, 1, Runtime()).open(Activation("default", digest, 1))


def test_a_sound_revision_opens(tmp_path: Path, encoders_folder: Path, encoder_digest: str) -> None:
    """The same construction with honest claims is accepted."""
    opened(tmp_path, encoders_folder, EncoderId(encoder_digest, "minilm", 384, 256))


def test_dimensions_must_agree(tmp_path: Path, encoders_folder: Path, encoder_digest: str) -> None:
    """An index of other dimensions than the encoder's is refused at load, with both numbers."""
    with pytest.raises(FailedPrecondition) as caught:
        opened(tmp_path, encoders_folder, EncoderId(encoder_digest, "minilm", 384, 256), dim=32)
    assert caught.value.reason == ErrorReason.DIMENSION_MISMATCH
    assert caught.value.metadata == {"index": "32", "encoder": "384"}


def test_the_encoder_must_be_there(tmp_path: Path, encoders_folder: Path) -> None:
    """A revision of an encoder that this machine lacks is FAILED_PRECONDITION."""
    with pytest.raises(FailedPrecondition) as caught:
        opened(tmp_path, encoders_folder, EncoderId("0" * 64, "other", 384, 256))
    assert caught.value.reason in {ErrorReason.ENCODER_UNAVAILABLE, ErrorReason.ARTEFACT_INCOMPATIBLE}


def test_an_unknown_kind_of_index(tmp_path: Path, encoders_folder: Path, encoder_digest: str) -> None:
    """An index kind of a newer program is refused with what to do."""
    with pytest.raises(FailedPrecondition, match="update it, or reindex"):
        opened(tmp_path, encoders_folder, EncoderId(encoder_digest, "minilm", 384, 256), kind="quantum")


@pytest.mark.parametrize("data", [b"", b"junk", b"\0" * 1000])
def test_bytes_that_are_no_index(data: bytes) -> None:
    """Whatever the engine cannot read is DATA_LOSS."""
    with pytest.raises(DataLoss):
        FaissFlatEngine().open(data)
