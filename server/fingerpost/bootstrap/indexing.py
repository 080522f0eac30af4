"""Indexing: the index that another library's index keeps its vectors in."""

from fingerpost.backends.index.selective import SelectiveVectors
from fingerpost.engine_ports import SelectiveIndex
from fingerpost.types import Vectors


def selective_index(vectors: Vectors) -> SelectiveIndex:
    """An exact index of vectors of shape (n, dim), float32, unit rows; its rows are theirs."""
    return SelectiveVectors(vectors)
