"""Opening a revision: what is refused although every file is whole."""

from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.index.codes import FaissCodesEngine
from fingerpost.backends.index.engines import ENGINES
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.opening import RevisionOpener
from fingerpost.build.publish import publish
from fingerpost.engine_ports import IndexEngine, VectorIndex
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition
from fingerpost.types import EncoderId, Exemplar
from tests.fakes import decider

FLAT = FaissFlatEngine()


def opened(
    folder: Path,
    encoders: Path,
    encoder: EncoderId,
    kind: str = "faiss-flat-ip",
    dim: int = 384,
    engine: IndexEngine = FLAT,
) -> VectorIndex:
    """Publish a revision of zero-route exemplars with these claims, and open it."""
    data = DataFolder(folder)
    data.encoders.symlink_to(encoders)
    vectors = np.eye(dim, dtype=np.float32)
    exemplars = tuple(Exemplar(str(row), 0) for row in range(dim))
    store = FileRevisionStore(data.revisions)
    digest = publish(store, encoder, exemplars, kind, engine.build(vectors), None, decider(), b"{}\n")
    return RevisionOpener(data, 1).open(digest).retriever.space.index


def test_a_sound_revision_opens(tmp_path: Path, encoders_folder: Path, encoder_digest: str) -> None:
    """The same construction with honest claims is accepted."""
    opened(tmp_path, encoders_folder, EncoderId(encoder_digest, "minilm", 384, 256))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.kind} {engine.settings}")
def test_every_kind_opens(tmp_path: Path, encoders_folder: Path, encoder_digest: str, engine: IndexEngine) -> None:
    """A server reads whatever kind of index a build may have chosen, with all its vectors."""
    encoder = EncoderId(encoder_digest, "minilm", 384, 256)
    index = opened(tmp_path, encoders_folder, encoder, kind=engine.kind, engine=engine)
    assert (index.size, index.dim) == (384, 384)


@pytest.mark.parametrize(("kind", "engine"), [("faiss-flat-ip", FaissCodesEngine()), ("faiss-codes-ip", FLAT)])
def test_the_index_must_be_what_the_revision_says(
    tmp_path: Path, encoders_folder: Path, encoder_digest: str, kind: str, engine: IndexEngine
) -> None:
    """A sound index of another kind than the manifest's is DATA_LOSS."""
    with pytest.raises(DataLoss):
        opened(tmp_path, encoders_folder, EncoderId(encoder_digest, "minilm", 384, 256), kind=kind, engine=engine)


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
