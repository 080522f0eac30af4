"""What `fingerpost thresholds` makes of a decider and its report: table, JSON and plot."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fingerpost.build.report import HeldOut, Report
from fingerpost.build.threshold import Point
from fingerpost.cli.plots import plot_thresholds
from fingerpost.cli.thresholds import print_json, print_table
from fingerpost.errors import FailedPrecondition, InvalidRequest
from fingerpost.types import Calibration, ConfidenceMap, Decider, Promise
from tests.fakes import DEFAULT_MAP, decider

PROMISE = Promise(0.95, 0.6, 80, 78, 0.952, True, 90)
CURVE = tuple(Point(1.0 - n / 10, n / 10, 1.0 - n / 100, 0.95 - n / 100) for n in range(1, 11))
HELD_OUT = HeldOut(100, {}, PROMISE, CURVE)
REPORT = Report(0, 0, {}, {}, 0.6, "POOLED", (), (), (), held_out=HELD_OUT)
TOO_SMALL = replace(REPORT, held_out=None, calibration="PRIOR")


def with_own_thresholds() -> Decider:
    """A catalog in which `code` has a given threshold and `maths` a target of its own."""
    base = decider()
    code, maths = base.routes
    own = replace(PROMISE, target_precision=0.99, threshold=0.8)
    return replace(
        base, routes=(replace(code, threshold=0.9, threshold_given=True), replace(maths, threshold=0.8, promise=own))
    )


def read_json(capsys: pytest.CaptureFixture[str], decider: Decider, report: Report = REPORT) -> Mapping[str, object]:
    print_json(decider, report)
    printed: Mapping[str, object] = json.loads(capsys.readouterr().out)
    return printed


def test_the_table_marks_what_is_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    """Each point has a row, and the one that the threshold accepts last names it."""
    print_table(decider(threshold=0.55), REPORT)
    first, header, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("Threshold 0.6000 keeps a precision of 95%")
    assert header.split() == ["threshold", "coverage", "precision", "at", "least"]
    assert rows[3].split() == ["0.6000", "40.0%", "96.0%", "91.0%", "<-", "in", "force:", "0.5500"]
    assert sum("in force" in row for row in rows) == 1
    assert len(rows) == len(CURVE)


def test_routes_with_a_threshold_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    """A given threshold is called given, and a target of a route's own has a promise; other routes have no line."""
    print_table(with_own_thresholds(), REPORT)
    code, maths = capsys.readouterr().out.splitlines()[-2:]
    assert code == "Route code: Threshold 0.9000 is given in its file."
    assert maths.startswith("Route maths: Threshold 0.8000 keeps a precision of 99%")
    print_table(decider(), REPORT)
    assert "Route" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("calibration", "words"), [("PRIOR", "threshold 0.6000 is the one that is shipped"), ("NONE", "similarity alone")]
)
def test_a_catalog_without_a_curve(capsys: pytest.CaptureFixture[str], calibration: str, words: str) -> None:
    """A catalog that is too small says what decides instead, and still tells the thresholds that are given."""
    base = with_own_thresholds()
    small = ConfidenceMap(Calibration(calibration), *(DEFAULT_MAP.intercept, DEFAULT_MAP.weights, 9, 0.2))
    print_table(replace(base, confidence_map=small), replace(TOO_SMALL, calibration=calibration))
    shown = capsys.readouterr().out
    assert words in shown
    assert "Route code: Threshold 0.9000 is given" in shown


def test_json_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON holds the curve and each route's threshold with its origin."""
    printed = read_json(capsys, with_own_thresholds())
    assert printed["threshold"] == 0.6
    assert isinstance(printed["held_out"], dict)
    assert len(printed["held_out"]["curve"]) == len(CURVE)
    assert isinstance(printed["routes"], dict)
    assert printed["routes"]["code"] == {"threshold": 0.9, "given": True, "promise": None}
    assert printed["routes"]["maths"]["promise"]["target_precision"] == 0.99
    assert read_json(capsys, decider(), TOO_SMALL)["held_out"] is None


@pytest.mark.parametrize("name", [":car:", "[bold]x[/]", "ä" * 300, "a\tb"])
def test_json_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Neither marks of a terminal nor the width of one change what a program reads."""
    printed = read_json(capsys, decider(routes=[name]))
    assert isinstance(printed["routes"], dict)
    assert list(printed["routes"]) == [name]


def test_a_plot_is_the_same_bytes_again(tmp_path: Path) -> None:
    """The same numbers give the same file, other numbers another, so that a plot can stand under version control."""
    for ending in ("svg", "png"):
        first, again, other = (tmp_path / f"{name}.{ending}" for name in ("first", "again", "other"))
        plot_thresholds(decider(), REPORT, first)
        plot_thresholds(decider(), REPORT, again)
        plot_thresholds(decider(threshold=0.3), REPORT, other)
        assert first.read_bytes() == again.read_bytes()
        assert first.read_bytes() != other.read_bytes()
    assert (tmp_path / "first.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(tmp_path / "first.svg").getroot().tag.endswith("svg")  # noqa: S314  # our own file


def test_a_plot_of_odd_curves(tmp_path: Path) -> None:
    """One point, a threshold above every point, and a precision of nothing are drawn too."""
    for number, curve in enumerate([CURVE[:1], CURVE[-1:], (Point(0.5, 1.0, 0.0, 0.0),)]):
        out = tmp_path / f"{number}.SVG"
        plot_thresholds(decider(threshold=1.0), replace(REPORT, held_out=replace(HELD_OUT, curve=curve)), out)
        assert out.stat().st_size > 1000


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "svg"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    """A file that is neither SVG nor PNG by its name is refused by the two that are, and nothing is written."""
    with pytest.raises(InvalidRequest, match=r"\.svg or \.png"):
        plot_thresholds(decider(), REPORT, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("held_out", [None, replace(HELD_OUT, curve=())])
def test_no_curve_no_plot(tmp_path: Path, held_out: HeldOut | None) -> None:
    """Without a curve there is nothing to draw, and the error says what to do."""
    with pytest.raises(FailedPrecondition, match="too few utterances"):
        plot_thresholds(decider(), replace(REPORT, held_out=held_out), tmp_path / "plot.svg")
    assert list(tmp_path.iterdir()) == []
