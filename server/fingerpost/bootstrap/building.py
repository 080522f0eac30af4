"""Building: the engines and stores of a reindex, and encoders that are carried elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from fingerpost.backends.encoder.archive import export_encoder, import_encoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource
from fingerpost.backends.encoder.tuning import tune_encoder
from fingerpost.backends.encoder.tuning_plan import Task
from fingerpost.backends.index.engines import ENGINES
from fingerpost.backends.vector_cache import SqliteVectorCache
from fingerpost.bootstrap.encoding import encoder_source as encoder_source, ready_encoder
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.opening import open_encoder
from fingerpost.bootstrap.planning import rulebook_of
from fingerpost.bootstrap.pointing import open_pointers
from fingerpost.bootstrap.sharing import is_known, revision_store
from fingerpost.bootstrap.studying import Archive
from fingerpost.build.linear import fit_head
from fingerpost.build.reindex import Workshop
from fingerpost.build.vectorise import vectorise
from fingerpost.engine_ports import Tuned, VectorCache
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.ports import Progress
from fingerpost.types import TuningVerdict, Vectors


@contextmanager
def open_workshop(
    data: DataFolder, source: EncoderSource, progress: Progress, *, tuning: bool = False
) -> Iterator[Workshop]:
    """The engines and stores of a reindex; the encoder is built first when the data folder has none of that source."""
    # The ledger first: who cannot publish need not build. One thread a product: the same input gives the same digest on
    # any number of cores, and fits run side by side.
    with (
        open_pointers(data) as pointers,
        SqliteVectorCache(data.vectors) as cache,
        threadpool_limits(1, user_api="blas"),
    ):
        plain = ready_encoder(data.root, source, progress)
        yield Workshop(
            plain=plain,
            engines=ENGINES,
            cache=cache,
            revisions=revision_store(data),
            activations=pointers,
            progress=progress,
            rulebook_of=rulebook_of,
            known=lambda digest: is_known(data, digest),
            tune=_CatalogTuner(data, source, cache, progress) if tuning else None,
            study=Archive(data, cache, progress, {plain.encoder.digest: plain}).study,
        )


@dataclass(frozen=True, slots=True)
class _CatalogTuner:
    """Tunes the encoder of a source on texts of a catalog, and opens what came of it."""

    data: DataFolder
    source: EncoderSource
    cache: VectorCache
    progress: Progress

    def __call__(self, texts: Sequence[str], routes: Sequence[int]) -> tuple[TuningVerdict, Tuned | None]:
        task = Task(tuple(texts), tuple(routes))
        made = tune_encoder(self.source, self.data.encoders, task, self._vectors_of(texts), fit_head, self.progress)
        if not made.accepted:
            return made.verdict, None
        served, proof = open_encoder(self.data, made.served), open_encoder(self.data, made.proof)
        return made.verdict, Tuned(served, proof, made.held_out & ~made.outside, made.outside)

    def _vectors_of(self, texts: Sequence[str]) -> Callable[[str], Vectors]:
        def vectors_of(digest: str) -> Vectors:
            return vectorise(texts, open_encoder(self.data, digest).embedders, self.cache, self.progress)

        return vectors_of


def save_encoder(data: DataFolder, source: EncoderSource, out: Path) -> str:
    """Write the data folder's encoder of that source to one file, and return its digest.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, it was not built yet.
    """
    digest = find(data.encoders, source)
    if digest is None:
        raise FailedPrecondition("that encoder is not built yet: reindex first", ErrorReason.ENCODER_UNAVAILABLE)
    export_encoder(data.encoders, digest, out)
    return digest


def load_encoder(data: DataFolder, archive: Path) -> str:
    """Store the encoder of an exported file in the data folder, and return its digest."""
    return import_encoder(data.encoders, archive)
