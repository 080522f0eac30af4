"""Opening: encoders and revisions of a data folder, verified and ready to embed and search."""

import os
import weakref

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.backends.engine.worker import Opened
from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.index.engines import ENGINES
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.engine_ports import IndexEngine, OpenEncoder, VectorIndex
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.serve.retrieve import Retriever
from fingerpost.serve.revision_format import decode
from fingerpost.serve.search import Space
from fingerpost.serve.spell import Speller
from fingerpost.types import EncoderId, Revision

_ENGINES: dict[str, IndexEngine] = {engine.kind: engine for engine in ENGINES}


class RevisionOpener:
    """Opens revisions of a data folder for embedding threads; those of the same encoder share it."""

    def __init__(self, data: DataFolder, threads: int) -> None:
        self._data = data
        self._threads = threads
        self._encoders: weakref.WeakValueDictionary[str, OpenEncoder] = weakref.WeakValueDictionary()

    def open(self, digest: str) -> Opened:
        """Read, verify and warm up a revision.

        Raises:
            NotFound, DataLoss, FailedPrecondition: it cannot be served.
        """
        revision = decode(digest, FileRevisionStore(self._data.revisions).read(digest))
        encoder = self._encoders.get(revision.encoder.digest)
        if encoder is None:
            encoder = open_encoder(self._data, revision.encoder.digest, self._threads)
            self._encoders[revision.encoder.digest] = encoder
        retriever = retriever_of(revision, encoder)
        for embedder in encoder.embedders:
            embedder.embed_one("warm up")
        return Opened(encoder, retriever)


def retriever_of(revision: Revision, opened: OpenEncoder) -> Retriever:
    """What embedding threads need of a revision.

    Raises:
        DataLoss, FailedPrecondition: its index cannot be read, or is of other vectors than the encoder's.
    """
    index = _open_index(revision.index_kind, revision.index_bytes)
    _check_dimensions(revision.encoder, opened.encoder, index)
    return Retriever(
        embedders=opened.embedders,
        space=Space.of(index, revision.exemplars, revision.head),
        speller=Speller((exemplar.text for exemplar in revision.exemplars), opened.embedders[0].is_whole),
        neighbours=revision.decider.vote.neighbours,
    )


def open_encoder(data: DataFolder, digest: str, threads: int | None = None) -> OpenEncoder:
    """Ready for so many threads, one a core unless told."""
    encoder = OnnxEncoder.open(data.encoders / digest, digest)
    embedders = tuple(encoder.embedder() for _ in range(threads or os.cpu_count() or 1))
    return OpenEncoder(encoder.encoder, encoder.precision, embedders)


def _open_index(kind: str, data: bytes) -> VectorIndex:
    if kind not in _ENGINES:
        raise FailedPrecondition(
            f"index kind {kind} is unknown to this program: update it, or reindex", ErrorReason.ARTEFACT_INCOMPATIBLE
        )
    return _ENGINES[kind].open(data)


def _check_dimensions(named: EncoderId, opened: EncoderId, index: VectorIndex) -> None:
    if not named.dim == opened.dim == index.dim:
        raise FailedPrecondition(
            f"the index has {index.dim} dimensions and the encoder {opened.dim}: reindex",
            ErrorReason.DIMENSION_MISMATCH,
            metadata={"index": str(index.dim), "encoder": str(opened.dim)},
        )
