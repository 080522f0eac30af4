"""Budgets, breakers and experiments of any kind: what is written is what is read, stored and read again."""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from fingerpost.build.guards.entries import usd_micros
from fingerpost.build.load import load
from fingerpost.release.comparing import changes
from fingerpost.serve.revision_format import MANIFEST, decode, digest_of, encode
from fingerpost.types import (
    Arm,
    BreakerRules,
    Budget,
    BudgetOf,
    BudgetPer,
    Experiment,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
    Policy,
    WhenSpent,
)
from tests.fakes import HASH_ENCODER, ROUTES, decider
from tests.revisions import revision_of
from tests.route_folders import write_folder

MODELS = (*ROUTES, "big", "middle")  # those of `tests.fakes.decider`
PLAIN = Policy("big", ("middle",))

names = st.text(st.characters(categories=["L", "N"]) | st.sampled_from("-_. :#'\"{"), min_size=1, max_size=12).filter(
    lambda name: name == name.strip()
)
micros = st.integers(1, 10**15) | st.integers(1, 10**7)
shares = st.floats(0, 1)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def budgets(draw: st.DrawFn, name: str) -> Budget:
    of = draw(st.sampled_from(BudgetOf))
    holders = {BudgetOf.ROUTE: st.sampled_from(sorted(ROUTES)), BudgetOf.MODEL: st.sampled_from(MODELS)}
    only = draw(st.lists(holders.get(of, names), unique=True, max_size=3)) if of is not BudgetOf.CATALOG else []
    per, spent = draw(st.sampled_from(BudgetPer)), draw(st.sampled_from(WhenSpent))
    return Budget(name, of, per, draw(micros), spent, tuple(only))


@st.composite
def breakers(draw: st.DrawFn) -> BreakerRules:
    counts = [draw(st.integers(1, 86_400)) for _ in range(5)]
    return BreakerRules(
        consecutive_failures=counts[0],
        failure_share=draw(st.floats(0, 1, exclude_min=True)),
        min_calls=counts[1],
        window_seconds=counts[2],
        cool_down_seconds=min(counts[3:]),
        max_cool_down_seconds=max(counts[3:]),
        max_ejected_share=draw(shares),
        trial_seconds=draw(st.integers(1, 86_400)),
    )


@st.composite
def guardrails(draw: st.DrawFn) -> Guardrail:
    low, high = sorted((draw(shares), draw(shares)))
    kept = draw(st.sampled_from([(low, None), (None, high), (low, high)]))
    return Guardrail(draw(st.sampled_from(GuardedMeasure)), min=kept[0], max=kept[1])


@st.composite
def splits(draw: st.DrawFn, name: str, route: str | None) -> Experiment:
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=4)))
    weights = [(high - low) / 100 for low, high in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    labels = draw(st.lists(names, unique=True, min_size=len(weights), max_size=len(weights)))
    arms = [
        Arm(
            label,
            weight,
            *(draw(st.sampled_from([None, *MODELS])), None) if route else (None, draw(st.none() | digests)),
        )
        for label, weight in zip(labels, weights, strict=True)
    ]
    unit = draw(st.sampled_from(ExperimentUnit))
    return Experiment(name, route, unit, tuple(arms), tuple(draw(st.lists(guardrails(), max_size=3))))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    labels = draw(st.lists(names, unique=True, max_size=4))
    routes: list[str | None] = draw(st.sampled_from([[], [None], ["code"], ["maths", "code"]]))
    tried = draw(st.lists(names, unique=True, min_size=len(routes), max_size=len(routes) + 2))
    shadows = [
        Experiment(name, shadow=draw(digests), share=draw(st.floats(0, 100, exclude_min=True)))
        for name in tried[len(routes) :]
    ]
    return replace(
        PLAIN,
        budgets=tuple(draw(budgets(name)) for name in labels),
        breakers=draw(st.just(BreakerRules()) | breakers()),
        experiments=(*(draw(splits(name, route)) for name, route in zip(tried, routes, strict=False)), *shadows),
    )


def written(policy: Policy) -> str:
    """The policy's file: JSON, which is YAML, but for amounts, which a person writes in decimals."""

    def said(keys: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in keys.items() if value not in (None, [], ())}

    def budget(one: Budget) -> dict[str, Any]:
        keys = {"of": one.of, "per": one.per, "when_spent": one.when_spent, "only": list(one.only), "hard": one.hard}
        return said({"name": one.name, "limit": f"@{Decimal(one.limit_usd_micros) / 10**6:f}@", **keys})

    def experiment(one: Experiment) -> dict[str, Any]:
        if one.shadow:
            return {"name": one.name, "shadow": one.shadow, "share": one.share}
        keys = said(asdict(one) | {"share": None})
        return keys | {part: [said(each) for each in keys[part]] for part in ("arms", "guardrails") if part in keys}

    content = {
        "fallback_model": policy.fallback_model,
        "fallback_chain": list(policy.fallback_chain),
        "budgets": [budget(one) for one in policy.budgets],
        "breakers": asdict(policy.breakers),
        "experiments": [experiment(one) for one in policy.experiments],
    }
    return re.sub('"@([0-9.]+)@"', r"\1", json.dumps(content, ensure_ascii=False))


def read(policy: Policy, models: Sequence[str] = MODELS) -> Policy:
    """What loading a folder with that policy gives."""
    prices = {"input_price_usd_micros": 100, "output_price_usd_micros": 0}
    files = {f"{name}.yaml": json.dumps({"model": name, "utterances": texts}) for name, texts in ROUTES.items()}
    files["_models.yaml"] = json.dumps({"models": [{"name": name, **prices} for name in models]})
    with tempfile.TemporaryDirectory() as folder:
        return load(write_folder(Path(folder), {**files, "_policy.yaml": written(policy)})).catalog.policy


@settings(max_examples=150, deadline=None)
@given(policies())
def test_what_is_written_is_read_and_kept(policy: Policy) -> None:
    """From the file through a revision and back nothing changes, and the schema is the third only where it must be."""
    loaded = read(policy)
    assert loaded == policy
    base = revision_of(ROUTES)
    made = replace(decider(), policy=loaded)
    files = encode(HASH_ENCODER, base.exemplars, base.index_kind, base.index_bytes, None, made, b"{}")
    again = decode(digest_of(files[MANIFEST]), files)
    assert again.decider == made
    plain = replace(policy, budgets=(), breakers=BreakerRules(), experiments=())
    assert json.loads(files[MANIFEST])["schema_version"] == (1 if policy == plain else 3)
    stored = json.loads(files["decider.json"])["policy"]
    assert {"budgets", "breakers", "experiments"} & stored.keys() == {
        name for name in ("budgets", "breakers", "experiments") if getattr(policy, name) != getattr(plain, name)
    }


@settings(max_examples=100, deadline=None)
@given(policies(), policies())
def test_a_comparison_tells_exactly_what_differs(before: Policy, after: Policy) -> None:
    """Two policies that differ have a change for each budget and experiment that does; equal ones have none."""
    base = revision_of(ROUTES)
    old, new = (replace(base, decider=replace(base.decider, policy=policy)) for policy in (before, after))
    assert changes(old, old) == []
    found = changes(old, new)
    for subject, pairs in (
        ("budget", (before.budgets, after.budgets)),
        ("experiment", (before.experiments, after.experiments)),
    ):
        olds, news = ({one.name: one for one in each} for each in pairs)
        differing = {name for name in olds.keys() | news.keys() if olds.get(name) != news.get(name)}
        assert {change.name for change in found if change.subject == subject} == differing
    told = {change.field for change in found if change.subject == "policy"}
    differing = {
        f"breakers.{key}" for key, value in asdict(before.breakers).items() if asdict(after.breakers)[key] != value
    }
    assert told == differing
    assert all(change.before != change.after for change in found)


@given(micros, st.integers(0, 3))
def test_amounts_are_exact_to_the_micro_dollar(amount: int, zeros: int) -> None:
    """Every limit that may be written is the number of micro-dollars that it says, with zeros at its end or without."""
    text = f"{amount // 10**6}.{amount % 10**6:06d}"
    assert usd_micros(float(text + "0" * zeros)) == amount
    assert usd_micros(float(text.rstrip("0"))) == amount


@given(st.integers(0, 10**8), st.integers(1, 9), st.integers(0, 3))
def test_finer_amounts_are_refused(millionths: int, digit: int, zeros: int) -> None:
    """A digit behind the sixth decimal is never rounded away."""
    assert usd_micros(float(f"{millionths // 10**6}.{millionths % 10**6:06d}{'0' * zeros}{digit}")) is None
