"""Replay: logged decisions beside those of a revision, weighted by the sampling, with what they cost. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fingerpost.build.diff.prices import REQUESTS, Tokens, price_of
from fingerpost.build.intervals import wilson
from fingerpost.build.judging import Opinion
from fingerpost.build.replay.reading import Log, Logged
from fingerpost.types import Model

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the traffic and its 95 % interval, each in [0, 1]."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Moved:
    """Requests whose decision is another one now, alike."""

    route_before: str | None  # None: the fallback
    route_after: str | None
    model_before: str
    model_after: str
    rows: int
    share: float  # of the traffic, [0, 1]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """What `REQUESTS` requests mixed as the traffic cost, micro-dollars; None where no model's price is known."""

    tokens: Tokens
    before_usd_micros: float | None
    after_usd_micros: float | None
    unpriced: tuple[str, ...]  # models without a price; their requests are left out of both sums


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a revision makes of a log."""

    revision: str
    revisions_before: tuple[str, ...]  # that the log was written by
    rows: int
    traffic: float  # decisions that the rows stand for
    changed: Share  # of the traffic: another route or another model
    fallback_before: float  # share of the traffic
    fallback_after: float
    groups: tuple[Moved, ...]  # the largest first
    spent: Spent
    passed_over: Mapping[str, int]


def replayed(
    revision: str, log: Log, opinions: Sequence[Opinion], models: Mapping[str, Model], tokens: Tokens
) -> Replayed:
    """Compare.

    Args:
        revision: Digest of the one that decided anew.
        log: n rows.
        opinions: n decisions of it, in their order.
        models: Of that revision, by name: prices of today for both sides.
        tokens: What a request is taken to have.
    """
    pairs = list(zip(log.rows, opinions, strict=True))
    traffic = sum(row.weight for row in log.rows)
    return Replayed(
        revision=revision,
        revisions_before=tuple(sorted({row.revision for row in log.rows})),
        rows=len(pairs),
        traffic=traffic,
        changed=_share([(row.weight, _differs(row, now)) for row, now in pairs]),
        fallback_before=sum(row.weight for row in log.rows if row.route is None) / traffic,
        fallback_after=sum(row.weight for row, now in pairs if now.decision.route is None) / traffic,
        groups=_groups(pairs, traffic),
        spent=_spent(pairs, models, tokens),
        passed_over=log.passed_over,
    )


def _differs(row: Logged, now: Opinion) -> bool:
    return (row.route, row.model) != (now.decision.route, now.decision.model)


def _share(flags: Sequence[tuple[float, bool]]) -> Share:
    """With the number of equal weights that would tell as much (Kish 1965) in the interval."""
    total = sum(weight for weight, _ in flags)
    value = sum(weight for weight, flag in flags if flag) / total
    effective = total**2 / sum(weight**2 for weight, _ in flags)
    return Share(value, *wilson(value, effective))


def _groups(pairs: Iterable[tuple[Logged, Opinion]], traffic: float) -> tuple[Moved, ...]:
    alike: dict[tuple[str | None, str | None, str, str], list[Logged]] = defaultdict(list)
    for row, now in pairs:
        if _differs(row, now):
            alike[row.route, now.decision.route, row.model, now.decision.model].append(row)
    groups = [
        Moved(*key, rows=len(rows), share=sum(row.weight for row in rows) / traffic, examples=tuple(_texts(rows)))
        for key, rows in alike.items()
    ]
    return tuple(sorted(groups, key=lambda one: -one.share))


def _texts(rows: Sequence[Logged]) -> list[str]:
    """A few different ones, in the order of the log."""
    return list(dict.fromkeys(row.text for row in rows if row.text is not None))[:_EXAMPLES]


def _spent(pairs: Sequence[tuple[Logged, Opinion]], models: Mapping[str, Model], tokens: Tokens) -> Spent:
    names = {row.model for row, _ in pairs} | {now.decision.model for _, now in pairs}
    prices = {name: price_of(models[name], tokens) if name in models else None for name in names}
    before = after = weight = 0.0
    for row, now in pairs:
        old, new = prices[row.model], prices[now.decision.model]
        if old is not None and new is not None:
            before, after, weight = before + row.weight * old, after + row.weight * new, weight + row.weight
    unpriced = tuple(sorted(name for name, price in prices.items() if price is None))
    if not weight:
        return Spent(tokens, None, None, unpriced)
    return Spent(tokens, REQUESTS * before / weight, REQUESTS * after / weight, unpriced)
