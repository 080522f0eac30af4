"""Charts: where things stand in the drawings, in the units of their view boxes. The templates draw them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from fingerpost.build.portrait.reliability import Bin, Reliability
from fingerpost.build.portrait.scatter import Scatter, Spot
from fingerpost.build.threshold import Point
from fingerpost.cli.promises import in_force

_LETTER = 0.66  # width of a bold letter of the widest of the page's fonts, in its size
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
_MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """A plot's area, and what its edges mean."""

    left: float
    top: float
    right: float
    bottom: float
    x_low: float = 0.0
    x_high: float = 1.0
    y_low: float = 0.0
    y_high: float = 1.0

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def x(self, value: float) -> float:
        return round(self.left + (value - self.x_low) / (self.x_high - self.x_low) * self.width, 1)

    def y(self, value: float) -> float:
        """Upwards; a value under the frame lies on its edge."""
        inside = max(self.y_low, min(self.y_high, value))
        return round(self.bottom - (inside - self.y_low) / (self.y_high - self.y_low) * self.height, 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bin of the histogram under the reliability diagram."""

    x: float
    y: float
    width: float
    height: float
    bin: Bin


@dataclass(frozen=True, slots=True)
class ReliabilityChart:
    """How often decisions are right over how sure they are, and how many there are."""

    frame: Frame
    below: Frame
    bars: tuple[Bar, ...]
    most: int  # cases of the fullest bin


def reliability_chart(reliability: Reliability) -> ReliabilityChart:
    most = max(bin_.count for bin_ in reliability.bins)
    frame = Frame(54, 16, 444, 284)
    below = Frame(54, 306, 444, 352, y_high=most)
    bars = tuple(
        Bar(
            x=frame.x(bin_.low) + 1.5,
            y=min(below.y(bin_.count), below.bottom - 1.5),  # one case can be seen too
            width=round(frame.x(bin_.high) - frame.x(bin_.low) - 3, 1),
            height=round(max(below.bottom - below.y(bin_.count), 1.5), 1),
            bin=bin_,
        )
        for bin_ in reliability.bins
    )
    return ReliabilityChart(frame, below, bars, most)


@dataclass(frozen=True, slots=True)
class CurveChart:
    """Precision over coverage."""

    frame: Frame
    ticks: tuple[float, ...]  # of the precision
    line: str  # points of a polyline
    band: str  # points of the polygon between bound and precision
    target: float
    at: Point | None  # that the threshold in force accepts
    threshold: float
    points: tuple[Point, ...]


def curve_chart(points: Sequence[Point], target: float, threshold: float) -> CurveChart:
    # The bound of the few most confident is low whatever they are: it may leave the picture, the rest may not.
    lowest = min(target, *(point.precision for point in points), points[-1].precision_bound)
    step = next((s for s in _STEPS if (1.0 - lowest) / s <= _MOST_TICKS - 1), _STEPS[-1])
    floor = max(0.0, round(math.floor((lowest - 1e-9) / step) * step, 4))
    frame = Frame(54, 16, 444, 352, y_low=floor)
    ticks = tuple(round(floor + step * number, 4) for number in range(round((1.0 - floor) / step) + 1))
    upper = [(frame.x(point.coverage), frame.y(point.precision)) for point in points]
    lower = [(frame.x(point.coverage), frame.y(point.precision_bound)) for point in points]
    return CurveChart(
        frame=frame,
        ticks=ticks,
        line=_points(upper),
        band=_points([*upper, *reversed(lower)]),
        target=target,
        at=in_force(points, threshold),
        threshold=threshold,
        points=tuple(points),
    )


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


@dataclass(frozen=True, slots=True)
class Label:
    """A route's name on the map; x is its middle, y its base line."""

    route: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Dot:
    """An utterance on the map."""

    x: float
    y: float
    spot: Spot


@dataclass(frozen=True, slots=True)
class MapChart:
    """Utterances in the plane, with names for a wide and for a narrow screen."""

    width: int
    height: int
    dots: tuple[Dot, ...]
    wide: tuple[Label, ...]
    narrow: tuple[Label, ...]
    many: bool  # routes; then dots and names are smaller


_WIDE, _HIGH, _EDGE = 1000, 600, 22
_MANY_ROUTES = 24
_LETTERS = {False: (17.0, 22.0), True: (12.0, 20.0)}
"""Sizes of the names for a wide and a narrow screen, for few and for many routes, in the units of the view box.

They stand in the page's style as well.
"""


def map_chart(scatter: Scatter, names: Sequence[str]) -> MapChart:
    across, down = _WIDE - 2 * _EDGE, _HIGH - 2 * _EDGE
    dots = tuple(Dot(round(_EDGE + s.x * across, 1), round(_EDGE + s.y * down, 1), s) for s in scatter.spots)
    many = len(names) > _MANY_ROUTES
    wide, narrow = _LETTERS[many]
    return MapChart(_WIDE, _HIGH, dots, labels(dots, names, wide), labels(dots, names, narrow), many)


def labels(dots: Sequence[Dot], names: Sequence[str], size: float) -> tuple[Label, ...]:
    """Names at the middles of their routes, the largest routes first; those that find no room are left out."""
    own: dict[int, list[Dot]] = {}
    for dot in dots:
        if 0 <= dot.spot.route < len(names):
            own.setdefault(dot.spot.route, []).append(dot)
    taken: list[tuple[float, float, float, float]] = []
    placed = []
    for route, group in sorted(own.items(), key=lambda item: (-len(item[1]), item[0])):
        middle = _middle(group)
        half = max(1.0, len(names[route]) * size * _LETTER / 2)
        if 2 * half > _WIDE:
            continue
        x = min(max(middle.x, half + 2), _WIDE - half - 2)
        for shift in (0.0, -1.1, 1.1, -2.2, 2.2):
            y = min(max(middle.y + size * (0.35 + shift), size), _HIGH - size * 0.3)
            box = (x - half, y - size * 0.9, x + half, y + size * 0.3)
            if not any(_overlap(box, other) for other in taken):
                taken.append(box)
                placed.append(Label(route, round(x, 1), round(y, 1)))
                break
    return tuple(sorted(placed, key=lambda label: label.route))


def _middle(group: Sequence[Dot]) -> Dot:
    """The utterance nearest to the middle, so that the name stands on some of them."""
    x, y = median(dot.x for dot in group), median(dot.y for dot in group)
    return min(group, key=lambda dot: (dot.x - x) ** 2 + (dot.y - y) ** 2)


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
