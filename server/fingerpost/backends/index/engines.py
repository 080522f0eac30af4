"""Which kinds there are, the one that is tried first at a build standing first; the last is exact and never fails."""

from fingerpost.backends.index.codes import FaissCodesEngine
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.backends.index.hnsw import FaissHnswEngine
from fingerpost.engine_ports import IndexEngine

ENGINES: tuple[IndexEngine, ...] = (
    FaissHnswEngine(),
    FaissCodesEngine(candidates=4),
    FaissCodesEngine(candidates=16),
    FaissFlatEngine(),
)
