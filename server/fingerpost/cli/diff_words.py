"""What changed from one revision to another, in the words of those who own routes."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fingerpost.build.diff.causes import CauseKind
from fingerpost.build.diff.diff import ChangeKind
from fingerpost.build.diff.texts import TextsKind
from fingerpost.cli.show import short

if TYPE_CHECKING:
    from fingerpost.build.diff.causes import Cause
    from fingerpost.build.diff.changes import Changes
    from fingerpost.build.diff.diff import Diff, Group
    from fingerpost.build.diff.paired import Delta
    from fingerpost.build.diff.prices import Cost

_NAMED = 5  # routes or models that a line names at most

_NOUNS = {
    TextsKind.TESTS: ("test text", "test texts"),
    TextsKind.FILE: ("text", "texts"),
    TextsKind.UTTERANCES: ("utterance that differs", "utterances that differ"),
}


def texts_of(diff: "Diff") -> str:
    """How many of what were decided: "210 test texts"."""
    one, many = _NOUNS[diff.kind]
    return f"{diff.texts:,} {one if diff.texts == 1 else many}"


def headline(diff: "Diff") -> str:
    """How many decisions changed, and for better or worse where that is known; without a full stop."""
    if not diff.changed:
        return f"no decision of the {texts_of(diff)} changed"
    verb = "is" if diff.changed == 1 else "are"
    line = f"{diff.changed:,} of {texts_of(diff)} {verb} decided otherwise"
    if not diff.labelled:
        return line
    return f"{line}: {diff.better:,} better, {diff.worse:,} worse, {diff.changed - diff.better - diff.worse:,} neither"


def group_line(group: "Group", of: str) -> str:
    """What happened to the texts of a group; `of` tells of how many, and is empty where that was said already."""
    count = len(group.texts)
    some, go, fall = f"{count:,}{of}", "goes" if count == 1 else "go", "falls" if count == 1 else "fall"
    if group.kind is ChangeKind.REROUTED:
        return f"{some} now {go} to `{group.after}` instead of `{group.before}`"
    if group.kind is ChangeKind.FELL_BACK:
        return f"{some} now {fall} back that went to `{group.before}`"
    if group.kind is ChangeKind.ROUTED:
        return f"{some} that fell back now {go} to `{group.after}`"
    if group.kind is ChangeKind.RENAMED:
        return f"{some} {go} to `{group.after}`, which was called `{group.before}`"
    place = f"{go} to `{group.after}`" if group.after else f"{fall} back"
    return f"{some} {place} as before, answered by `{group.model_after}` instead of `{group.model_before}`"


def cause_words(cause: "Cause") -> str:
    """One cause, as the end of a sentence."""
    return _CAUSES[cause.kind].format(
        route=f"`{cause.route}`" if cause.route else "the fallback",
        place=_place(cause.route),
        text=f'"{short(cause.utterance or "")}"',
        before=_value(cause.before),
        after=_value(cause.after),
        origin=_place(cause.before),
    )


_CAUSES: Mapping[CauseKind, str] = {
    CauseKind.RULES_CHANGED: "the rules that take effect are now {after}, they were {before}",
    CauseKind.ROUTE_ADDED: "{route} is a new route",
    CauseKind.ROUTE_REMOVED: "the route {route} is gone",
    CauseKind.ROUTE_RENAMED: "the route {before} is now called {after}",
    CauseKind.MODEL_CHANGED: "the model of {route} is now {after}, it was {before}",
    CauseKind.UTTERANCE_ADDED: "{text} was added to {place}",
    CauseKind.UTTERANCE_MOVED: "{text} was moved from {origin} to {place}",
    CauseKind.UTTERANCE_REMOVED: "{text} was removed from {place}",
    CauseKind.OTHER_NEARER: "{text} of {place}, which is no new one, is nearest now",
    CauseKind.SCORER_CHANGED: "none of its nearest utterances changed, but others did, and the scores moved with them",
    CauseKind.CALIBRATION_CHANGED: "the confidence was calibrated anew: {after}, it was {before}",
    CauseKind.THRESHOLD_CHANGED: "the threshold of {route} is now {after}, it was {before}",
    CauseKind.ENCODER_CHANGED: "the encoder is now {after}, it was {before}",
}


def _place(route: str | float | None) -> str:
    return f"`{route}`" if route else "the texts out of scope"


def _value(value: str | float | None) -> str:
    if value is None:
        return "none"
    return f"`{value}`" if isinstance(value, str) else f"{value:.4f}"


def changes_words(changes: "Changes") -> Iterator[str]:
    """What differs between the revisions themselves, part by part."""
    yield from (f"new route `{name}`" for name in changes.routes_added)
    yield from (f"route `{name}` is gone" for name in changes.routes_removed)
    yield from (f"route `{old}` is now called `{new}`" for old, new in changes.routes_renamed.items())
    if changes.utterances_added:
        yield f"utterances added: {_counts(changes.utterances_added)}"
    if changes.utterances_removed:
        yield f"utterances removed: {_counts(changes.utterances_removed)}"
    if changes.utterances_moved:
        yield f"utterances moved: {changes.utterances_moved:,}"
    for model in changes.models:
        owner = f"`{model.route}`" if model.route else "the fallback"
        yield f"model of {owner}: `{model.after}`, was `{model.before}`"
    yield from _policy(changes)
    yield from _thresholds(changes)
    if changes.encoder:
        yield f"encoder: {changes.encoder.after}, was {changes.encoder.before}"
    if changes.calibration:
        yield "confidence calibrated anew"
    if changes.scorer:
        yield "scorer learned anew"


def _policy(changes: "Changes") -> Iterator[str]:
    named = (("rules", changes.rules), ("budgets", changes.budgets), ("experiments", changes.experiments))
    yield from (f"{what} changed: {', '.join(f'`{name}`' for name in names)}" for what, names in named if names)
    if changes.breakers:
        yield "breakers open and close by other rules"


def _counts(counts: Mapping[str, int]) -> str:
    """The total, and where most of them are."""
    most = sorted(counts.items(), key=lambda item: -item[1])[:_NAMED]
    named = ", ".join(f"{_place(route)} {count:,}" for route, count in most)
    return f"{sum(counts.values()):,} ({named}{', ...' if len(counts) > _NAMED else ''})"


def _thresholds(changes: "Changes") -> Iterator[str]:
    """One line for those that changed alike, as all do that follow the catalog's."""
    alike: dict[tuple[float, float], list[str]] = {}
    for changed in changes.thresholds:
        alike.setdefault((changed.before, changed.after), []).append(f"`{changed.route}`")
    for (before, after), routes in alike.items():
        owners = ", ".join(routes) if len(routes) <= _NAMED else f"{len(routes):,} routes"
        yield f"threshold of {owners}: {after:.4f}, was {before:.4f}"


def notes(diff: "Diff") -> Iterator[str]:
    """What one should know about the texts before believing the numbers."""
    if diff.known and diff.kind is not TextsKind.UTTERANCES:
        yield (
            f"{diff.known:,} of the texts {'is an utterance' if diff.known == 1 else 'are utterances'} of one of the "
            "revisions, which knows them by heart."
        )
    if diff.new_labels:
        yield (
            f"{diff.new_labels:,} of the texts {'belongs' if diff.new_labels == 1 else 'belong'} to routes that the "
            "earlier revision does not have: it cannot be right about them."
        )


def chance(diff: "Diff") -> str:
    """Whether the better and the worse ones may be chance; empty where nothing is better or worse."""
    if diff.accuracy is None or diff.accuracy.p_value is None or not diff.better + diff.worse:
        return ""
    often = diff.accuracy.p_value
    share = "less than 0.1%" if often < 0.001 else f"{often:.1%}"
    return (
        f"Were both equally good, {diff.better:,} better and {diff.worse:,} worse, or a greater difference, would come "
        f"about by chance in {share} of comparisons (McNemar's exact test)."
    )


def accuracy_line(delta: "Delta") -> str:
    """Accuracy before and after, with the interval of the change."""
    return (
        f"Decided right: {delta.before:.1%} before, {delta.after:.1%} now; change {points(delta.change)} points, "
        f"95 % interval {points(delta.low)} to {points(delta.high)}."
    )


def points(change: float) -> str:
    """A change of a share in percentage points, with its sign."""
    return f"{100 * change:+.1f}"


def cost_lines(cost: "Cost") -> Iterator[str]:
    """What the requests cost before and now, what that assumes, and what it leaves out."""
    before, after = cost.before_usd_micros, cost.after_usd_micros
    if before is not None and after is not None:
        told = f"{_dollars(before)} before and {_dollars(after)} now{_percent_change(before, after)}"
        same = f"{_dollars(after)}, as before"
        yield (
            f"1,000 requests of this mix cost {same if before == after else told}, at {cost.tokens.input:,} input and "
            f"{cost.tokens.output:,} output tokens each (assumed: --input-tokens, --output-tokens)."
        )
    if cost.unpriced:
        named, more = cost.unpriced[:_NAMED], len(cost.unpriced) - _NAMED
        names = ", ".join(f"`{name}`" for name in named) + (f" and {more:,} more models" if more > 0 else "")
        lacks = "have no price" if len(cost.unpriced) > 1 else "has no price"
        left = "its texts are" if len(cost.unpriced) == 1 else "their texts are"
        yield f"{names} {lacks} in _models.yaml: {left} left out of the cost, before and now."


def _percent_change(before: float, after: float) -> str:
    return f" ({(after - before) / before:+.1%})" if before else ""


def _dollars(usd_micros: float) -> str:
    dollars = usd_micros / 1_000_000
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"
