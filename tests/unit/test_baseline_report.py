"""How another system's answers become metrics beside ours, and how both are shown."""

import json

import pytest

from fingerpost.build.evaluate import baseline_report
from fingerpost.build.judging import Case
from fingerpost.build.metrics import METRICS, Measured
from fingerpost.build.report import Baseline, Report
from fingerpost.cli import show
from fingerpost.types import Text

UNKNOWN = Measured(None, None, None)


def cases(*routes: str | None) -> list[Case]:
    return [Case(Text(f"text {number}", "cases.jsonl", number + 1), route) for number, route in enumerate(routes)]


def values(baseline: Baseline) -> dict[str, float | None]:
    return {name: measured.value for name, measured in baseline.metrics.items()}


def report(baseline: Baseline | None, **metrics: Measured) -> Report:
    """Of nothing but these metrics."""
    return Report(4, 1, dict.fromkeys(METRICS, UNKNOWN) | metrics, {}, 0.6, "POOLED", (), (), (), baseline=baseline)


def test_counted_by_hand() -> None:
    """Of four cases one is right, one wrong, one right but refused, and one out of scope and accepted."""
    best, decided = ["code", "code", "maths", "code"], ["code", "code", None, "code"]
    counted = values(baseline_report("other", cases("code", "maths", "maths", None), best, decided))
    assert counted["top1_accuracy"] == pytest.approx(2 / 3)
    assert counted["in_scope_accuracy"] == pytest.approx(1 / 3)
    assert counted["coverage"] == pytest.approx(3 / 4)
    assert counted["precision"] == pytest.approx(1 / 3)
    assert counted["oos_recall"] == 0.0


def test_what_needs_a_probability_is_unknown() -> None:
    """A system without a confidence has no calibration and no ranking: these metrics are None, not 0."""
    counted = values(baseline_report("other", cases("code", None), ["code", "code"], ["code", None]))
    assert counted.keys() == METRICS.keys()
    assert {name for name, value in counted.items() if value is None} == {"oos_auroc", "fpr95", "ece", "brier", "aurc"}
    assert counted["oos_recall"] == 1.0


def test_a_system_that_names_nothing() -> None:
    """No route at all is never right, not even for a case out of scope, which then fell back."""
    counted = values(baseline_report("other", cases("code", None), [None, None], [None, None]))
    assert (counted["top1_accuracy"], counted["coverage"], counted["oos_recall"]) == (0.0, 0.0, 1.0)
    assert counted["precision"] is None


def test_answers_and_cases_belong_together() -> None:
    """A missing answer is a fault, not a case less."""
    with pytest.raises(ValueError, match="shorter"):
        baseline_report("other", cases("code", "maths"), ["code"], ["code", "maths"])


def test_the_second_column(capsys: pytest.CaptureFixture[str]) -> None:
    """A metric that only one of the two has is shown, with a gap for the other; one that neither has is not."""
    theirs = baseline_report("other", cases("code", None), ["code", "code"], ["code", "code"])
    show.evaluated(report(theirs, brier=Measured(0.125, 0.1, 0.2)))
    shown = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert "other" in shown["metric"]
    assert shown["precision"][0] == "0.500"
    assert shown["brier"] == ["0.125", "0.100", "to", "0.200"]
    assert "ece" not in shown


def test_no_second_column_without_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    """A report of ours alone has one column of values, and says null in JSON."""
    alone = report(None, precision=Measured(0.5, 0.25, 0.75))
    show.evaluated(alone)
    assert "precision  0.500  0.250 to 0.750" in capsys.readouterr().out
    assert json.loads(show.report_json(alone))["baseline"] is None
