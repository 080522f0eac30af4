"""Linear: the arrays of a head, trained on the utterances' vectors in plain numpy."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fingerpost.types import Head, Vectors

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

_MEMORY = 10  # gradient differences that L-BFGS keeps
_MAX_STEPS = 200
_TOLERANCE = 1e-3  # of the gradient at zero; ten times less changes no accuracy in its fourth digit
_BIAS_PENALTY = 1e-3  # of the weights': enough to make the solution unique
_USUAL_PENALTY = 0.03  # between those that `build.recipe` tries
_SUFFICIENT = 1e-4  # Armijo's constant
_SHRINKAGE = 0.3  # of a covariance towards a multiple of the identity; 0.1 to 0.5 rank texts alike
_NEVER = 1e4  # a logit so low, and a distance so great, that a route is neither the likeliest nor the nearest


def train_head(linear: Floats, vectors: Vectors, routes: Numbers) -> Head:
    """The head of a revision.

    Args:
        linear: What `train_linear` gave.
        vectors: Shape (n, dim), float32, unit rows, n at least 1.
        routes: Shape (n,), 0 to one less than the linear head's columns.
    """
    metric, distances = relative_distances(vectors, routes, linear.shape[1])
    return Head(linear, metric, distances)


def widened(head: Head, present: Numbers, count: int) -> Head:
    """The head with a column for each of `count` routes, where only those of `present`, rising, have utterances."""
    if len(present) == count:
        return head
    linear, distances = (np.zeros((len(head.linear), count), dtype=np.float32) for _ in range(2))
    linear[-1], distances[-1] = -_NEVER, _NEVER
    linear[:, present], distances[:, present] = head.linear, head.distances
    linear[-1, present] += np.float32(np.log(count / len(present)))  # the energy stays that of those with utterances
    return Head(linear, head.metric, distances)


def train_linear(vectors: Vectors, routes: Numbers, count: int, penalty: float, start: Floats | None = None) -> Floats:
    """Multinomial logistic regression in which every route weighs the same, however many utterances it has.

    Minimises the summed log loss, each row weighted n / (count * rows of its route), plus penalty / 2 times the squared
    weights, by L-BFGS (Nocedal 1980) with backtracking.

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        routes: Shape (n,), each of 0 to `count` - 1 at least once.
        count: Routes.
        penalty: Above 0.
        start: Where to begin, of the result's shape; default zeros.

    Returns:
        Shape (dim + 1, count), float32; the last row is the bias.
    """
    design = np.column_stack([vectors, np.ones(len(vectors))]).astype(np.float32)
    rows = np.arange(len(vectors))
    weights = (len(vectors) / count / np.bincount(routes, minlength=count)[routes]).astype(np.float32)
    penalties = np.full((design.shape[1], 1), penalty, dtype=np.float32)
    penalties[-1] *= _BIAS_PENALTY

    def loss(parameters: Floats) -> tuple[float, Floats]:
        logits = design @ parameters
        logits -= logits.max(axis=1, keepdims=True)
        grown = np.exp(logits)
        total = grown.sum(axis=1, keepdims=True)
        lost = weights * (np.log(total[:, 0]) - logits[rows, routes])
        value = float(lost.sum(dtype=np.float64)) + 0.5 * float((penalties * parameters**2).sum(dtype=np.float64))
        grown /= total
        grown[rows, routes] -= 1.0
        grown *= weights[:, None]
        return value, design.T @ grown + penalties * parameters

    first = np.zeros((design.shape[1], count), dtype=np.float32) if start is None else start
    return _minimise(loss, first)


def _minimise(loss: Callable[[Floats], tuple[float, Floats]], point: Floats) -> Floats:
    value, gradient = loss(point)
    enough = _TOLERANCE * float(np.abs(loss(np.zeros_like(point))[1]).max())
    steps: list[tuple[Floats, Floats, float]] = []
    for _ in range(_MAX_STEPS):
        if float(np.abs(gradient).max()) <= enough:
            break
        direction = _descent(gradient, steps)
        slope = float(np.vdot(gradient, direction))
        length = 1.0
        while True:
            moved = point + np.float32(length) * direction
            new_value, new_gradient = loss(moved)
            if new_value <= value + _SUFFICIENT * length * slope or length < 1e-6:
                break
            length /= 2
        step, change = moved - point, new_gradient - gradient
        curvature = float(np.vdot(step, change))
        if new_value >= value or curvature <= 0:
            break  # single precision has nothing left to gain
        steps = [*steps[-_MEMORY + 1 :], (step, change, 1.0 / curvature)]
        point, value, gradient = moved, new_value, new_gradient
    return point


def _descent(gradient: Floats, steps: list[tuple[Floats, Floats, float]]) -> Floats:
    """Minus the gradient times the inverse Hessian that the last steps suggest: L-BFGS's two loops."""
    direction = -gradient
    if not steps:
        return direction / np.float32(max(1.0, float(np.linalg.norm(gradient))))
    shares = []
    for step, change, inverse in reversed(steps):
        share = np.float32(inverse * float(np.vdot(step, direction)))
        shares.append(share)
        direction = direction - share * change
    _, change, inverse = steps[-1]
    direction = direction * np.float32(1.0 / (inverse * float(np.vdot(change, change))))
    for (step, change, inverse), share in zip(steps, reversed(shares), strict=True):
        direction = direction + step * (share - np.float32(inverse * float(np.vdot(change, direction))))
    return direction


def fit_head(vectors: Vectors, routes: Numbers) -> Callable[[Vectors], NDArray[np.float64]]:
    """What tells the probabilities of a plain linear head: how well do these vectors tell their routes apart?

    Args:
        vectors: Shape (n, dim), float32, unit rows.
        routes: Shape (n,), numbered from 0 without a gap.
    """
    linear = train_linear(vectors, routes, int(routes.max()) + 1, _USUAL_PENALTY)

    def probabilities_of(others: Vectors) -> NDArray[np.float64]:
        logits = (others @ linear[:-1] + linear[-1]).astype(np.float64)
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances: NDArray[np.float64] = grown / grown.sum(axis=1, keepdims=True)
        return chances

    return probabilities_of


def relative_distances(vectors: Vectors, routes: Numbers, count: int) -> tuple[Floats, Floats]:
    """Relative Mahalanobis distances (Ren et al. 2021), multiplied out and divided by the dimension.

    With P and Q the inverse covariances within routes and of all rows, m_k and m their means, the distance of x to
    route k less that to all is x'(P - Q)x + 2x'(Qm - P m_k) + m_k'P m_k - m'Qm.

    Returns:
        (P - Q), shape (dim, dim), and the rest, shape (dim + 1, count), a column a route; float32.
    """
    precise = vectors.astype(np.float64)
    means = np.zeros((count, precise.shape[1]))
    np.add.at(means, routes, precise)
    means /= np.maximum(np.bincount(routes, minlength=count), 1)[:, None]
    centre = precise.mean(axis=0)
    within = _inverse_covariance(precise - means[routes], len(precise) - count)
    overall = _inverse_covariance(precise - centre, len(precise) - 1)
    linear = 2.0 * ((overall @ centre)[:, None] - within @ means.T)
    constant = np.einsum("ij,jk,ik->i", means, within, means) - centre @ overall @ centre
    dim = precise.shape[1]
    distances = np.vstack([linear, constant]) / dim
    return ((within - overall) / dim).astype(np.float32), distances.astype(np.float32)


def _inverse_covariance(centred: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    """Inverse of the shrunken covariance; of the identity where the rows have no spread at all."""
    dim = centred.shape[1]
    covariance = centred.T @ centred / max(freedom, 1)
    spread = float(np.trace(covariance)) / dim
    if spread <= 1e-12:
        return np.eye(dim)
    inverse: NDArray[np.float64] = np.linalg.inv((1 - _SHRINKAGE) * covariance + _SHRINKAGE * spread * np.eye(dim))
    return inverse
