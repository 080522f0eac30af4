"""What the commands show of experiments as they run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.quantities import dollars
from fingerpost.cli.show import to_json
from fingerpost.errors import ErrorReason, NotFound

if TYPE_CHECKING:
    from fingerpost.client.control_types import Guardrail, RunningExperiment, Shadow

_DIGEST = 12  # characters
_MEASURES = {
    "fallback_share": "share of decisions that fall back",
    "error_share": "share of calls that fail",
    "cost_usd": "mean cost, in dollars,",
}

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def experiment_of(experiments: "Sequence[RunningExperiment]", name: str) -> "RunningExperiment":
    """The one of that name.

    Raises:
        NotFound: EXPERIMENT_NOT_FOUND.
    """
    found = next((one for one in experiments if one.experiment.name == name), None)
    if found is None:
        raise NotFound(
            f"the policy in force has no experiment {name}: fingerpost experiment lists them",
            ErrorReason.EXPERIMENT_NOT_FOUND,
        )
    return found


def show_experiments(experiments: "Sequence[RunningExperiment]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(experiments))
        return
    if not experiments:
        _out.print(
            "The policy in force has no experiments. Next: experiments: in _policy.yaml, then fingerpost reindex"
        )
        return
    table = _table("experiment", "route", "unit", "arms", "state")
    for one in experiments:
        table.add_row(
            escape(one.experiment.name),
            escape(one.experiment.route or "(all)"),
            one.experiment.unit,
            escape(_split(one)),
            escape(_state(one)),
        )
    _out.print(table)
    _out.print("Next: fingerpost experiment show NAME, or report NAME for what its arms have shown")


def show_experiment(one: "RunningExperiment", *, as_json: bool) -> None:
    """Its arms, bands and shadow."""
    if as_json:
        typer.echo(to_json(one))
        return
    experiment = one.experiment
    whose = f"route {experiment.route}" if experiment.route else "the catalog"
    split = f", split by {experiment.unit}" if experiment.arms else ""
    _out.print(f"Experiment [bold]{escape(experiment.name)}[/] {escape(f'{_state(one)}: requests of {whose}{split}.')}")
    if one.arms:
        _show_arms(one)
    for guardrail in experiment.guardrails:
        _out.print(f"Each arm's {_MEASURES.get(guardrail.of, guardrail.of)} must stay {_band(guardrail)}.")
    if experiment.shadow is not None:
        _show_shadow(one.shadow, experiment.shadow, experiment.share)


def _show_arms(one: "RunningExperiment") -> None:
    arms = {arm.name: arm for arm in one.experiment.arms}
    table = _table("arm", "weight", "answers with", "decisions", "fell back", "reports", "failed", "a report")
    for running in one.arms:
        arm = arms.get(running.name)
        table.add_row(
            escape(running.name),
            f"{running.weight:g}%",
            escape(_answers_with(arm.model, arm.revision) if arm else ""),
            f"{running.decisions:,}",
            _percent(running.fallback_share),
            f"{running.reports:,}",
            _percent(running.error_share),
            "" if running.cost_usd is None else f"${running.cost_usd:.6f}",
        )
    _out.print(table)
    if not any(running.decisions or running.reports for running in one.arms):
        _out.print("Nothing is counted yet: each server counts its own from its start, and --target asks one.")
    for running in one.arms:
        if running.stopped:
            _out.print(escape(f"Arm {running.name} is stopped: {running.stopped}."))


def _show_shadow(shadow: "Shadow | None", revision: str, share: float) -> None:
    _out.print(f"Shadow: revision {revision[:_DIGEST]} decides {share:g}% of the requests too, and never serves.")
    if shadow is None:
        return
    if shadow.error:
        _out.print(escape(f"It does not run: {shadow.error}."))
    more = shadow.cost_difference_usd_micros
    _out.print(
        f"{shadow.decisions:,} decisions, {shadow.dropped:,} dropped; another route {shadow.other_route:,}, model "
        f"{shadow.other_model:,}, outcome {shadow.other_outcome:,}; {dollars(abs(more))} "
        f"{'less' if more < 0 else 'more'} expected in all."
    )


def _split(one: "RunningExperiment") -> str:
    if one.arms:
        return ", ".join(f"{arm.name} {arm.weight:g}%{' (stopped)' if arm.stopped else ''}" for arm in one.arms)
    return f"shadow {(one.experiment.shadow or '')[:_DIGEST]}"


def _state(one: "RunningExperiment") -> str:
    return f"is stopped ({one.stopped})" if one.stopped else "runs"


def _answers_with(model: str | None, revision: str | None) -> str:
    found = [f"model {model}"] if model else []
    found += [f"revision {revision[:_DIGEST]}"] if revision else []
    return ", ".join(found) or "as usual"


def _band(guardrail: "Guardrail") -> str:
    low = None if guardrail.min is None else f"at least {guardrail.min:g}"
    high = None if guardrail.max is None else f"at most {guardrail.max:g}"
    return " and ".join(one for one in (low, high) if one)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _table(*names: str) -> Table:
    return Table(*names, box=None, header_style="bold", padding=(0, 1, 0, 0))
