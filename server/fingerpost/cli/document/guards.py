"""Guards: what the page says of budgets, breakers and experiments."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fingerpost.cli.document.blocks import Block, Heading, Paragraph, Table
from fingerpost.types import BreakerRules

if TYPE_CHECKING:
    from fingerpost.types import Arm, Budget, Experiment, Guardrail

_DIGEST = 12  # characters
_MICROS = 1_000_000

_WHEN_SPENT = {
    "alert": "people are told; requests go on",
    "downgrade": "the cheapest model that fits answers",
    "refuse": "requests are refused: nothing is spent beyond it",
    "cheapest": "the cheapest model that fits answers while that much is left, then requests are refused",
}
_MEASURES = {
    "fallback_share": "decisions that fall back",
    "error_share": "reported calls that fail",
    "cost_usd": "dollars a reported call",
}


def budgets(listed: "tuple[Budget, ...]") -> Iterator[Block]:
    if not listed:
        return
    yield Heading(2, "Budgets")
    yield Paragraph("Each account begins anew with the hour, day or month of the calendar, UTC.")
    yield Table(("budget", "limit", "account of", "when it is spent"), tuple(map(_budget_row, listed)))


def _budget_row(budget: "Budget") -> tuple[str, ...]:
    return (budget.name, f"{dollars(budget.limit_usd_micros)} per {budget.per}", _holders(budget), _spent(budget))


def _holders(budget: "Budget") -> str:
    if budget.of == "catalog":
        return "the catalog"
    if not budget.only:
        return f"each {budget.of}"
    if len(budget.only) == 1:
        return f"the {budget.of} {budget.only[0]}"
    return f"each of the {budget.of}s {', '.join(budget.only)}"


def _spent(budget: "Budget") -> str:
    return f"{'hard' if budget.hard else 'soft'}: {_WHEN_SPENT[budget.when_spent]}"


def dollars(usd_micros: int) -> str:
    """The amount in full, to the micro-dollar where it has such."""
    cents = f"{usd_micros % _MICROS:06d}".rstrip("0").ljust(2, "0")
    return f"${usd_micros // _MICROS:,}.{cents}"


def breakers(rules: BreakerRules) -> Iterator[Block]:
    if rules == BreakerRules():
        return
    yield Heading(2, "Breakers")
    window, first, longest, trial = (
        _count(seconds, "second")
        for seconds in (
            rules.window_seconds,
            rules.cool_down_seconds,
            rules.max_cool_down_seconds,
            rules.trial_seconds,
        )
    )
    yield Paragraph(
        f"A model is left alone when {_count(rules.consecutive_failures, 'reported call')} in a row failed, or "
        f"{_percent(rules.failure_share)} of at least {_count(rules.min_calls, 'call')} in {window}. After {first} "
        f"one call tries it; each that fails doubles the time, up to {longest}, and one of which nothing is heard for "
        f"{trial} is taken for lost. At most {_percent(rules.max_ejected_share)} of the models are left alone at a "
        "time, but one always may."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{share * 100:.12g}%"


def experiments(listed: "tuple[Experiment, ...]") -> Iterator[Block]:
    if not listed:
        return
    yield Heading(2, "Experiments")
    for experiment in listed:
        yield Heading(3, experiment.name)
        yield from _shadow(experiment) if experiment.shadow else _split(experiment)


def _shadow(experiment: "Experiment") -> Iterator[Block]:
    share = "all requests" if experiment.share == 100 else f"{experiment.share:g}% of the requests"
    yield Paragraph(f"Revision {(experiment.shadow or '')[:_DIGEST]} decides {share} too, and never serves.")


def _split(experiment: "Experiment") -> Iterator[Block]:
    whose = f"Requests of the route {experiment.route}" if experiment.route else "All requests"
    together = "" if experiment.unit == "request" else f": those of one {experiment.unit} have the same arm"
    yield Paragraph(f"{whose} are split{together}. The other arms are compared with the first.")
    yield Table(
        ("arm", f"of the {experiment.unit}s", "what it does"),
        tuple((arm.name, f"{arm.weight:g}%", _does(arm)) for arm in experiment.arms),
    )
    if experiment.guardrails:
        bands = "; ".join(map(_band, experiment.guardrails))
        yield Paragraph(f"An arm is stopped when it is surely outside of a band. Bands: {bands}.")


def _does(arm: "Arm") -> str:
    if arm.model is not None:
        return f"{arm.model} answers"
    if arm.revision is not None:
        return f"revision {arm.revision[:_DIGEST]} decides"
    return "as without the experiment"


def _band(guardrail: "Guardrail") -> str:
    bounds = (("at least", guardrail.min), ("at most", guardrail.max))
    shown = "{:g}".format if guardrail.of == "cost_usd" else _percent
    told = " and ".join(f"{word} {shown(bound)}" for word, bound in bounds if bound is not None)
    return f"{_MEASURES[guardrail.of]}: {told}"
