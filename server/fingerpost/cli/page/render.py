"""Render: a portrait becomes a page. Templates draw, this file gives them what they need."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fingerpost.build.finding_registry import KINDS
from fingerpost.build.portrait.advice import advise
from fingerpost.build.portrait.portrait import Origin, Outcome, Portrait, RoutePortrait, Verdict
from fingerpost.cli.page import charts, words
from fingerpost.cli.page.colours import route_styles
from fingerpost.cli.promises import promised

GENERATOR = "fingerpost report"
"""What a page of ours says of itself; see `is_report`."""

_HEAD_BYTES = 4096
_LISTED_CHARACTERS = 1_200_000
"""Of all utterances and test texts that a page lists: as many again is markup, and a browser still scrolls."""

_LONGEST_TEXT = 280  # characters of a text that are shown


@dataclass(frozen=True, slots=True)
class Made:
    """How a page came about."""

    version: str
    time: str  # for people
    baseline_installed: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Texts of a route as far as there is room."""

    shown: tuple[str, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route as the page shows it."""

    route: RoutePortrait
    title: str
    anchor: str
    colour: str  # a class
    utterances: Listing
    outcomes: dict[str, list[Outcome]]  # by verdict
    hidden_outcomes: int

    @property
    def unsure(self) -> int:
        """Own cases that fell back."""
        counts = self.route.counts
        return 0 if self.route.name is None else counts.cases - counts.accepted

    @property
    def wrong(self) -> int:
        """Own cases that got another route, or one at all."""
        return self.route.counts.accepted - self.route.counts.accepted_right

    @property
    def right(self) -> int:
        return self.route.counts.cases - self.unsure - self.wrong


def is_report(path: Path) -> bool:
    """Whether a file is a page that `render` made."""
    with path.open("rb") as file:
        return f'<meta name="generator" content="{GENERATOR}'.encode() in file.read(_HEAD_BYTES)


def render(portrait: Portrait, made: Made) -> str:
    """The page: HTML that loads nothing and runs nothing but its own script."""
    names = [str(route.name) for route in portrait.routes]
    style = Markup(_asset("page.css") + "\n" + route_styles(names) + "\n")  # noqa: S704  holds nothing that users write
    script = Markup(_asset("page.js"))  # noqa: S704  likewise
    anchors = _anchors(names)
    views = _views(portrait, anchors)
    outside = _outside_view(portrait)
    held_out = portrait.curve.held_out if portrait.curve else None
    curve = held_out.curve if held_out else ()
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            p=portrait,
            made=made,
            generator=GENERATOR,
            style=style,
            script=script,
            policy=_policy(style, script),
            advice=advise(portrait),
            made_of=words.made_of(portrait),
            verdict=words.verdict(portrait),
            tiles=words.tiles(portrait),
            source=words.source(portrait),
            promise=promised(portrait.promise) if portrait.promise else None,
            reliability=charts.reliability_chart(portrait.reliability) if portrait.reliability else None,
            curve=charts.curve_chart(curve, portrait.decider.policy.target_precision, portrait.decider.threshold)
            if curve
            else None,
            map=charts.map_chart(portrait.scatter, names),
            spots=_spots(portrait),
            names=names,
            anchors=anchors,
            views=views,
            outside=outside,
            by_need=sorted(views, key=lambda view: (-(2 * view.wrong + view.unsure), str(view.route.name))),
            metric_names=words.METRIC_NAMES,
            compared=words.COMPARED,
            ours=portrait.comparison.ours if portrait.comparison else {},
            theirs=portrait.comparison.theirs if portrait.comparison else {},
            measured={name: words.metric(portrait, name) for name in portrait.report.metrics},
            kinds=KINDS,
            heat=_heat(portrait),
            has_texts=portrait.source.origin is not Origin.REVISION,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fingerpost.cli.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": words.percent, "number": words.number, "shortened": shortened}
    environment.globals |= {"count": words.count}
    return environment


def _asset(name: str) -> str:
    return (files("fingerpost.cli.page") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded or sent, and no script or style but these two may run, whatever a text holds."""
    return (
        f"default-src 'none'; style-src '{_sha256(style)}'; script-src '{_sha256(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def shortened(text: str) -> str:
    """At most `_LONGEST_TEXT` characters of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"


def _anchors(names: Sequence[str]) -> dict[str, str]:
    """A fragment for each route that a person can read, no two alike."""
    anchors: dict[str, str] = {}
    taken: set[str] = set()
    for number, name in enumerate(names):
        slug = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")
        anchor = f"route-{slug}" if slug and f"route-{slug}" not in taken else f"route-{slug}.{number}"
        taken.add(anchor)
        anchors[name] = anchor
    return anchors


def _views(portrait: Portrait, anchors: dict[str, str]) -> list[RouteView]:
    room = _LISTED_CHARACTERS // max(1, 2 * len(portrait.routes))  # half for utterances, half for tests
    return [
        _view(route, str(route.name), anchors[str(route.name)], f"c{number}", room)
        for number, route in enumerate(portrait.routes)
    ]


def _outside_view(portrait: Portrait) -> RouteView | None:
    outside = portrait.outside
    if not outside.utterances and not outside.counts.cases:
        return None
    room = _LISTED_CHARACTERS // max(2, len(portrait.routes))
    return _view(outside, "Belongs to no route", "out-of-scope", "cx", room)


def _view(route: RoutePortrait, title: str, anchor: str, colour: str, room: int) -> RouteView:
    # What went wrong is listed first, so that it is there when room runs out.
    ordered = sorted(route.outcomes, key=lambda outcome: list(Verdict)[::-1].index(outcome.verdict))
    kept = _fitting((outcome.text for outcome in ordered), room)
    outcomes: dict[str, list[Outcome]] = {}
    for outcome in ordered[:kept]:
        outcomes.setdefault(outcome.verdict.value, []).append(outcome)
    fits = _fitting(route.utterances, room)
    listing = Listing(route.utterances[:fits], len(route.utterances) - fits)
    return RouteView(route, title, anchor, colour, listing, outcomes, len(ordered) - kept)


def _fitting(texts: Iterable[str], room: int) -> int:
    """How many of the texts fit into so many characters."""
    fits = 0
    for text in texts:
        room -= min(len(text), _LONGEST_TEXT)
        if room < 0:
            break
        fits += 1
    return fits


def _spots(portrait: Portrait) -> dict[str, object]:
    """What the script shows of the points, in their order."""
    return {
        "texts": [shortened(spot.text) for spot in portrait.scatter.spots],
        "routes": [spot.route for spot in portrait.scatter.spots],
        "names": [str(route.name) for route in portrait.routes],
        "outside": "belongs to no route",
    }


def _heat(portrait: Portrait) -> list[list[int]]:
    """How strongly each cell of the confusion map is coloured, 0 to 5."""
    confusion = portrait.confusion
    most = max(
        (
            cell.count
            for row, cells in zip(confusion.rows, confusion.cells, strict=True)
            for column, cell in zip(confusion.columns, cells, strict=True)
            if row != column
        ),
        default=0,
    )
    return [[_level(cell.count, most) for cell in cells] for cells in confusion.cells]


def _level(count: int, most: int) -> int:
    return 0 if not count or not most else min(5, 1 + int(4.999 * count / most))
