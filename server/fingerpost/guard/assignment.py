"""Assignment: which arm of an experiment does a unit belong to? Pure: the same unit gets the same arm everywhere.

Nothing is remembered. A unit's place on a line from 0 to 100 is a hash of the experiment's name and the unit's key, so
that servers agree without asking each other, and experiments split their units independently of one another.

Every arm but the first has a home on the line, all equally long, and takes as much of it from its start as its weight
says; what nobody takes is the first arm's. So an arm that grows keeps its units and takes others from the first arm
alone, and one that shrinks gives back to it. An arm that is larger than its home goes on in what is left of others',
from their ends: only with more than two other arms, and only there, may units move from one of them to another.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from fingerpost.types import Arm, Experiment

_WHOLE = 100.0  # per cent


@dataclass(frozen=True, slots=True)
class Assigned:
    """Where a unit belongs."""

    arm: Arm
    propensity: float  # [0, 1]: the chance of a unit to be in this arm, as the weights are now
    unit: str  # 8 hexadecimal digits of a hash of its key


def arm_of(
    experiment: Experiment,
    unit_key: str,
    weights: Mapping[str, float] | None = None,
    stopped: AbstractSet[str] = frozenset(),
) -> Assigned | None:
    """The arm of a unit; None without a key, and where the experiment has no arms.

    Args:
        experiment: Its arms' own weights hold unless others are given.
        unit_key: The tenant, session or request; empty when the request does not tell it.
        weights: Per cent by arm, 100 together; an arm that is missing has none; an empty mapping gives none.
        stopped: Names of arms that get nobody: their units are the first arm's, and no other unit moves.
    """
    if not unit_key or not experiment.arms:
        return None
    first, *others = experiment.arms
    shares = tuple(_weight(arm, weights) for arm in others)
    digest = _hash(b"arm", experiment.name, unit_key)
    number = _owner(shares, _place(digest))
    arm = first if number is None or others[number].name in stopped else others[number]
    if arm is first:
        taken = sum(share for other, share in zip(others, shares, strict=True) if other.name not in stopped)
        return Assigned(first, max(0.0, _WHOLE - taken) / _WHOLE, digest[8:].hex())
    return Assigned(arm, _weight(arm, weights) / _WHOLE, digest[8:].hex())


def in_sample(name: str, key: str, share_per_cent: float) -> bool:
    """Whether a request is in the sample of an experiment's shadow; a larger share keeps those of a smaller one.

    Args:
        name: Of the experiment.
        key: Of the request; without one it is in no sample but that of all.
        share_per_cent: [0, 100] of the requests.
    """
    if share_per_cent >= _WHOLE:
        return True
    return bool(key) and _place(_hash(b"sample", name, key)) < share_per_cent


def _weight(arm: Arm, weights: Mapping[str, float] | None) -> float:
    return weights.get(arm.name, 0.0) if weights else arm.weight


def _hash(purpose: bytes, name: str, key: str) -> bytes:
    """8 bytes for the place and 4 for the unit, of no relation to each other."""
    return blake2b(_utf8(key), digest_size=12, key=_salt(name), person=purpose).digest()


@lru_cache(maxsize=256)
def _salt(name: str) -> bytes:
    return blake2b(_utf8(name), digest_size=32).digest()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _place(digest: bytes) -> float:
    """[0, 100), in steps of 2^-53 of the whole: what a float can tell apart."""
    return (int.from_bytes(digest[:8], "big") >> 11) * 2.0**-53 * _WHOLE


def _owner(weights: tuple[float, ...], place: float) -> int | None:
    """Which of the other arms has the place; None: none, it is the first arm's."""
    starts, owners = _pieces(weights)
    return owners[bisect_right(starts, place) - 1] if starts else None


@lru_cache(maxsize=256)
def _pieces(weights: tuple[float, ...]) -> tuple[Sequence[float], Sequence[int | None]]:
    """The line cut up: where each piece begins, from 0 on, and whose it is."""
    if not weights:
        return (), ()
    home = _WHOLE / len(weights)
    pieces = [(number * home, number * home + min(weight, home), number) for number, weight in enumerate(weights)]
    free = [(end, (number + 1) * home) for number, (_, end, _) in enumerate(pieces)]
    for number, weight in enumerate(weights):
        if weight > home:
            pieces.extend(_overflow(number, weight - home, free))
    return _gapless(sorted(piece for piece in pieces if piece[1] > piece[0]))


def _overflow(number: int, more: float, free: list[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Pieces for what an arm's home does not hold, off the ends of what is free, the last first."""
    pieces = []
    for place in reversed(range(len(free))):
        start, end = free[place]
        cut = max(start, end - more)
        pieces.append((cut, end, number))
        free[place] = (start, cut)
        more -= end - cut
    return pieces


def _gapless(pieces: Sequence[tuple[float, float, int]]) -> tuple[Sequence[float], Sequence[int | None]]:
    """The same pieces with those of the first arm in between."""
    starts: list[float] = []
    owners: list[int | None] = []
    reached = 0.0
    for start, end, number in pieces:
        if start > reached:
            starts.append(reached)
            owners.append(None)
        starts.append(start)
        owners.append(number)
        reached = end
    if reached < _WHOLE:
        starts.append(reached)
        owners.append(None)
    return tuple(starts), tuple(owners)
