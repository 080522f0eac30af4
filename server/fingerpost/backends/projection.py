"""Projection: vectors laid out in the plane by scikit-learn, near ones near each other."""

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Vectors

_FEWEST_FOR_NEIGHBOURS = 12  # texts; fewer have no neighbourhoods worth keeping
_DIMENSIONS = 40  # that the neighbourhoods are looked for in
_PERPLEXITY = 30.0  # about how many neighbours each text keeps
_ITERATIONS = 600
_SEED = 20_240_229  # any fixed number


def project(vectors: Vectors) -> NDArray[np.float64]:
    """Places in the plane: t-SNE (van der Maaten & Hinton 2008), begun from the principal components.

    Args:
        vectors: Shape (n, dim), n at least 1, unit rows.

    Returns:
        Shape (n, 2).
    """
    count, dim = vectors.shape
    if count < _FEWEST_FOR_NEIGHBOURS:
        return _principal(vectors, 2)
    from sklearn.manifold import TSNE

    reduced = _principal(vectors, min(_DIMENSIONS, dim, count))
    tsne = TSNE(
        n_components=2,
        perplexity=min(_PERPLEXITY, (count - 1) / 3),
        max_iter=_ITERATIONS,
        init=np.ascontiguousarray(_spread(reduced[:, :2])),
        learning_rate="auto",
        random_state=_SEED,
    )
    return np.asarray(tsne.fit_transform(reduced), dtype=np.float64)


def _principal(vectors: Vectors, components: int) -> NDArray[np.float64]:
    """Coordinates along the directions in which the vectors differ most; shape (n, components)."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    leading = directions[:, ::-1][:, :components]
    leading = leading * np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])])
    coordinates: NDArray[np.float64] = centred @ leading
    missing = components - coordinates.shape[1]
    return np.pad(coordinates, ((0, 0), (0, missing))) if missing > 0 else coordinates


def _spread(places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Small, as t-SNE wants its beginning (Kobak & Berens 2019)."""
    return (places / max(float(places[:, 0].std()), 1e-12) * 1e-4).astype(np.float32)
