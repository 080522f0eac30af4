"""What people see of an experiment's report: plain words, tables, JSON, and a plot of the way there."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fingerpost.cli.experiments import show_experiment_report
from fingerpost.errors import FailedPrecondition, InvalidRequest
from fingerpost.types import (
    Arm,
    ArmMeasure,
    Direction,
    Effect,
    Experiment,
    ExperimentReport,
    ExperimentUnit,
    Look,
    Measure,
)

HOUR_US = 3_600_000_000
START_US = 1_790_000_000_000_000


def interval(
    measure: Measure, low: float, high: float, *, arm: str = "small", needed: int = 2_000, p: float = 1.0
) -> Effect:
    """An effect whose interval is that, with the direction that follows."""
    direction = Direction.MORE if low > 0 else Direction.LESS if high < 0 else Direction.OPEN
    p = 0.0004 if direction is not Direction.OPEN else p
    return Effect(arm, measure, (low + high) / 2, low, high, p, direction, needed)


def report(
    *effects: Effect, units: int = 1_000, mean: float = 0.1, arms: Sequence[str] = ("usual", "small")
) -> ExperimentReport:
    """Of arms of equal means and units, measured as the effects are."""
    weights = [100 / len(arms)] * len(arms)
    experiment = Experiment("price", None, ExperimentUnit.SESSION, tuple(map(Arm, arms, weights)))
    told = {effect.measure for effect in effects if effect.difference is not None} | {Measure.FALLBACK_SHARE}
    measures = tuple(
        ArmMeasure(arm, measure, units, 3 * units, mean, 0.9 * mean, 1.1 * mean)
        if measure in told
        else ArmMeasure(arm, measure, 0, 0, None, None, None)
        for measure in Measure
        for arm in arms
    )
    looks = tuple(Look(START_US + HOUR_US * number, effect) for number in range(1, 6) for effect in effects)
    return ExperimentReport(
        "default", experiment, 6 * units, START_US, START_US + 5 * HOUR_US, measures, tuple(effects), looks
    )


def shown(capsys: pytest.CaptureFixture[str], of: ExperimentReport) -> str:
    show_experiment_report(of, as_json=False, plot=None)
    return capsys.readouterr().out


# --- Words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "line"),
    [
        (interval(Measure.COST_USD, -0.009, -0.004), "small costs 0.40 to 0.90 cents less per request."),
        (interval(Measure.COST_USD, 0.00012, 2.5), "small costs 0.012 to 250 cents more per request."),
        (interval(Measure.ERROR_SHARE, 0.004, 0.031), "small fails 0.40 to 3.1 points more often."),
        (interval(Measure.ERROR_SHARE, -0.031, -0.004), "small fails 0.40 to 3.1 points less often."),
        (interval(Measure.FALLBACK_SHARE, -0.2, -0.1), "small falls back 10 to 20 points less often."),
        (interval(Measure.GOOD_FIT_SHARE, -0.2, -0.1), "small fits 10 to 20 points less often."),
        (interval(Measure.SCORE, 0.051, 0.082), "small scores 0.051 to 0.082 more."),
        (interval(Measure.LATENCY_MS, -1_240.0, -80.0), "small answers 80 to 1,240 ms sooner."),
        (interval(Measure.LATENCY_MS, 80.0, 240.0), "small answers 80 to 240 ms later."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sure_effects_in_words(capsys: pytest.CaptureFixture[str], effect: Effect, line: str) -> None:
    """Who does what by how much, from the smaller to the larger amount."""
    assert f"  {line}\n" in shown(capsys, report(effect))


@pytest.mark.parametrize(
    ("effect", "line"),
    [
        (
            interval(Measure.ERROR_SHARE, -0.03, 0.04, needed=4_150),
            "nothing is sure yet, about 3,200 more sessions in each arm would mostly show a difference of 2.0 points.",
        ),
        (
            interval(Measure.COST_USD, -0.03, 0.04, needed=1_001),
            "nothing is sure yet, about 1 more session in each arm would mostly show a difference of 0.50 cents.",
        ),
        (
            interval(Measure.ERROR_SHARE, -0.03, 0.04, needed=900),
            "nothing is sure yet, and a difference of 2.0 points would mostly have shown.",
        ),
        (
            interval(Measure.ERROR_SHARE, -0.011, 0.012),
            "no difference that matters, between 1.1 points less and 1.2 points more.",
        ),
        (
            interval(Measure.ERROR_SHARE, -0.03, 0.04, p=0.01),
            "something was sure on the way and no longer is, look at the plot.",
        ),
        (
            Effect("small", Measure.ERROR_SHARE, 0.5, None, None, 1.0, Direction.OPEN, None),
            "too few sessions to say anything, it takes 50 in each arm, and more if some are large.",
        ),
    ],
    ids=["more needed", "one more needed", "enough", "none that matters", "no longer", "too few"],
)
def test_open_effects_in_words(capsys: pytest.CaptureFixture[str], effect: Effect, line: str) -> None:
    """What it takes, or that there is nothing to be found."""
    assert line in shown(capsys, report(effect))


def test_models_that_cost_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Of arms that cost nothing nobody is told to wait."""
    effect = Effect("small", Measure.COST_USD, 0.0, None, None, 1.0, Direction.OPEN, None)
    assert "cost: nothing in either arm." in shown(capsys, report(effect, mean=0.0))


def test_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """When, means of each arm, differences with intervals and p-values; what nobody told is left out."""
    lines = shown(
        capsys, report(interval(Measure.COST_USD, -0.009, -0.004), interval(Measure.FALLBACK_SHARE, -0.03, 0.04))
    )
    first, _, header, *rest = lines.splitlines()
    when = "from 2026-09-21 14:13 to 2026-09-21 19:13 UTC"
    assert first == f"Experiment price of catalog default: 6,000 decisions were reported, {when}."
    assert header.split() == ["arm", "mean", "(95", "%", "interval)", "reports", "sessions"]
    assert rest[0].split() == ["fallbacks", "usual", "10.0%", "(9.0", "to", "11.0)", "3,000", "1,000"]
    assert rest[2].split() == ["cost", "usual", "10.0", "cents", "(9.00", "to", "11.0)", "3,000", "1,000"]
    words = [line.split() for line in rest]
    assert ["cost", "-0.65", "cents", "-0.90", "to", "-0.40", "cents", "<", "0.001"] in words
    assert ["fallbacks", "+0.50", "points", "-3.0", "to", "+4.0", "points", "1.000"] in words
    assert "latency" not in lines


def test_nothing_yet(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and no empty tables."""
    empty = replace(report(), reports=0, first_us=None, last_us=None)
    assert shown(capsys, empty) == "Experiment price of catalog default: nothing was reported of its arms yet.\n"


def test_a_split_that_is_not_as_weighted(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, because arms may differ by it alone; a right split is not mentioned."""
    right = report(interval(Measure.FALLBACK_SHARE, -0.03, 0.04))
    assert "not split" not in shown(capsys, right)
    arms = (Arm("usual", 90.0), Arm("small", 10.0))
    wrong = replace(right, experiment=replace(right.experiment, arms=arms))
    assert "usual 50.0% (weight 90%), small 50.0% (weight 10%)" in shown(capsys, wrong)


@pytest.mark.parametrize("name", [":car:", "[bold]x[/]", "ä" * 60, "$a$", "a_b^c"])
def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """Neither marks of a terminal nor of a plot are read into a name."""
    effects = interval(Measure.COST_USD, -0.009, -0.004, arm=name), interval(Measure.SCORE, -0.1, 0.1, arm=name)
    odd = report(*effects, arms=("usual", name))
    show_experiment_report(odd, as_json=False, plot=tmp_path / "plot.svg")
    assert f"{name} costs 0.40" in capsys.readouterr().out
    show_experiment_report(odd, as_json=True, plot=None)
    assert json.loads(capsys.readouterr().out)["effects"][0]["arm"] == name


# --- JSON ---------------------------------------------------------------------------------------------------------


def test_json_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """All fields under their names, looks too."""
    of = report(interval(Measure.COST_USD, -0.009, -0.004))
    show_experiment_report(of, as_json=True, plot=None)
    printed = json.loads(capsys.readouterr().out)
    assert printed["experiment"]["arms"][1]["name"] == "small"
    assert printed["effects"] == [
        {
            "arm": "small",
            "measure": "cost_usd",
            "difference": -0.0065,
            "low": -0.009,
            "high": -0.004,
            "p_value": 0.0004,
            "direction": "less",
            "units_needed": 2000,
        }
    ]
    assert len(printed["looks"]) == 5
    assert (printed["first_us"], printed["reports"]) == (START_US, 6_000)


# --- Plots --------------------------------------------------------------------------------------------------------

SEVERAL = (
    interval(Measure.ERROR_SHARE, -0.03, 0.04),
    interval(Measure.SCORE, 0.05, 0.08),
    interval(Measure.COST_USD, -0.009, -0.004),
    interval(Measure.LATENCY_MS, 80.0, 240.0),
)


def test_a_plot_is_the_same_bytes_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same report gives the same file, another one another; the tables are shown all the same."""
    for ending in ("svg", "png"):
        first, again, other = (tmp_path / f"{name}.{ending}" for name in ("first", "again", "other"))
        show_experiment_report(report(*SEVERAL), as_json=False, plot=first)
        show_experiment_report(report(*SEVERAL), as_json=True, plot=again)
        show_experiment_report(report(*SEVERAL[1:]), as_json=False, plot=other)
        assert first.read_bytes() == again.read_bytes()
        assert first.read_bytes() != other.read_bytes()
    assert "small costs" in capsys.readouterr().out
    assert (tmp_path / "first.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_has_a_picture_for_each_effect(tmp_path: Path) -> None:
    """Arms beside one another, left blank where an effect is not known yet; a single look is drawn too."""
    arms = ("usual", "small", "tiny")
    others = [replace(effect, arm="tiny") for effect in SEVERAL[:2]]
    for name, of, pictures in (
        ("one", report(SEVERAL[0]), 1),
        ("four", report(*SEVERAL), 4),
        ("arms", report(*SEVERAL, *others, arms=arms), 6),
        ("look", replace(report(SEVERAL[0]), looks=report(SEVERAL[0]).looks[:1]), 1),
        ("at once", replace(report(SEVERAL[0]), last_us=START_US), 1),
    ):
        out = tmp_path / f"{name}.svg"
        show_experiment_report(of, as_json=True, plot=out)
        root = ElementTree.parse(out).getroot()  # noqa: S314  # our own file
        ids = [element.get("id", "") for element in root.iter()]
        assert sum(found.startswith("axes_") for found in ids) == pictures


def test_other_endings_and_empty_plots_are_refused(tmp_path: Path) -> None:
    """A name that is neither SVG nor PNG, and a report of which nothing can be drawn yet; nothing is written."""
    with pytest.raises(InvalidRequest, match=r"\.svg or \.png"):
        show_experiment_report(report(*SEVERAL), as_json=True, plot=tmp_path / "plot.pdf")
    early = Effect("small", Measure.SCORE, 0.5, None, None, 1.0, Direction.OPEN, None)
    for of in (report(early), replace(report(), reports=0, first_us=None, last_us=None)):
        with pytest.raises(FailedPrecondition, match="too few reports"):
            show_experiment_report(of, as_json=True, plot=tmp_path / "plot.svg")
    assert list(tmp_path.iterdir()) == []


def test_a_plot_where_nobody_may_write(tmp_path: Path) -> None:
    """The error of the file system comes through, for the command line to tell."""
    with pytest.raises(OSError, match=r"plot\.svg"):
        show_experiment_report(report(*SEVERAL), as_json=True, plot=tmp_path / "missing" / "plot.svg")
