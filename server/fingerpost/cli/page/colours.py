"""Colours of routes: as different as their number allows, in light and dark alike."""

from collections.abc import Sequence

_EVEN = 24
"""Routes up to which hues are spread evenly; beyond, by the golden angle, which never comes back to the same one."""

_GOLDEN_DEGREES = 137.508
_FIRST_DEGREES = 25.0


def hues(count: int) -> list[float]:
    """So many hues, in degrees; those that follow each other differ much."""
    if count > _EVEN:
        return [(_FIRST_DEGREES + number * _GOLDEN_DEGREES) % 360.0 for number in range(count)]
    stride = _stride(count)
    return [(_FIRST_DEGREES + number * stride % count * 360.0 / count) % 360.0 for number in range(count)]


def _stride(count: int) -> int:
    """Steps round the circle of hues that visit each once, about two fifths of it long."""
    return next((step for step in range(max(1, count * 2 // 5), count) if _coprime(step, count)), 1)


def _coprime(one: int, other: int) -> bool:
    while other:
        one, other = other, one % other
    return one == 1


def route_styles(names: Sequence[str]) -> str:
    """A class `c0`, `c1`, ... for each route that sets its colour `--c`; every other one is lighter."""
    rules = [
        f".c{number}{{--c:oklch(var(--route-{'ab'[number % 2]}) var(--route-chroma) {hue:.1f})}}"
        for number, hue in enumerate(hues(len(names)))
    ]
    return "\n".join([*rules, ".cx{--c:var(--muted)}"])
