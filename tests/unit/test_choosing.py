"""Which model answers: never one that may not or cannot, always the same one, in an order without ties."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.serve.decide import decide
from fingerpost.serve.inventory import Inventory, both, why_not
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import NO_RULING, Ruling
from fingerpost.serve.select import Asked, Lineup, rank
from fingerpost.serve.situation import Situation
from fingerpost.types import (
    Calibration,
    Candidate,
    Decision,
    Demands,
    EscalationLimit,
    Judgement,
    Model,
    Outcome,
    Policy,
    Reason,
    RoutePolicy,
    Selection,
    SelectionMode,
    Skip,
    SkipReason,
)
from tests.fakes import decider

LABELS = ["json", "tools", "vision"]
REGIONS = ["eu", "us"]
NAMES = ["ada", "bob", "cyd", "dan"]

_tokens = st.integers(0, 300)
_maybe = st.one_of(st.none(), st.integers(0, 300))
_some_labels = st.lists(st.sampled_from(LABELS), unique=True, max_size=2).map(tuple)


def _model(name: str) -> st.SearchStrategy[Model]:
    return st.builds(
        Model,
        name=st.just(name),
        upstream_model=st.just(f"up-{name}"),
        input_price_usd_micros=st.integers(0, 9),
        output_price_usd_micros=st.integers(0, 9),
        context_window_tokens=st.one_of(st.none(), st.integers(1, 400)),
        capabilities=_some_labels,
        latency_p50_ms=st.integers(0, 5),
        tier=st.sampled_from(["", "strong"]),
        cached_input_price_usd_micros=st.one_of(st.none(), st.integers(0, 9)),
        max_output_tokens=st.one_of(st.none(), st.integers(1, 400)),
        languages=st.sampled_from([(), ("de",), ("de", "en")]),
        regions=st.lists(st.sampled_from(REGIONS), unique=True).map(tuple),
        quality=st.fixed_dictionaries({"default": st.sampled_from([0.0, 0.5, 0.9, 1.0])}),
    )


MODELS = st.tuples(*(_model(name) for name in NAMES))
_names = st.lists(st.sampled_from(NAMES), unique=True, min_size=1).map(frozenset)
DEMANDS = st.builds(
    Demands,
    allowed=st.lists(_names, max_size=1).map(tuple),
    forbidden=st.lists(st.sampled_from(NAMES), unique=True, max_size=2).map(frozenset),
    capabilities=st.lists(st.sampled_from(LABELS), unique=True, max_size=1).map(frozenset),
    forbidden_capabilities=st.lists(st.sampled_from(LABELS), unique=True, max_size=1).map(frozenset),
    regions=st.lists(st.sampled_from(REGIONS).map(lambda one: frozenset({one})), max_size=1).map(tuple),
    languages=st.lists(st.sampled_from(["de", "fr"]), max_size=1).map(frozenset),
    input_tokens=_tokens,
    output_tokens=_tokens,
)
SELECTIONS = st.builds(
    Selection,
    mode=st.sampled_from(SelectionMode),
    weights=st.just(dict(zip(NAMES, (40.0, 30.0, 20.0, 10.0), strict=True))),
    quality_floor=st.sampled_from([0.0, 0.5, 0.9]),
    cost_weight=st.sampled_from([0.0, 0.1, 10.0]),
)
ASKED = st.builds(
    Asked,
    key=st.text(max_size=4),
    input_tokens=_tokens,
    session_model=st.sampled_from([None, *NAMES]),
    cached_tokens=_tokens,
)


def plan(models: Iterable[Model], selection: Selection, policy: Policy, fallback: tuple[str, ...] = ()) -> Plan:
    """One route that chooses among all models but `dan`."""
    route = RoutePolicy("code", "", "ada", 0.5, False, None, ("ada", "bob", "cyd"), selection, fallback)
    base = decider()
    return Plan.of(replace(base, routes=(route,), models={model.name: model for model in models}, policy=policy))


def judged(confidence: float) -> Judgement:
    return Judgement((Candidate(0, 0.8, 0.7, confidence, False),), (0.0, 0.0, 0.0), Calibration.POOLED, None)


def decided(*given: object) -> Decision | None:
    """None where no model fits."""
    try:
        return decide(*given)  # type: ignore[arg-type]
    except FailedPrecondition as error:
        if error.reason != ErrorReason.NO_MODEL_FITS:
            raise
        return None


@given(MODELS, DEMANDS)
def test_the_columns_say_what_each_model_says(models: tuple[Model, ...], demands: Demands) -> None:
    """The fast way to tell which models fit agrees with the plain one."""
    inventory = Inventory.of(models)
    assert inventory.fits(demands).tolist() == [why_not(model, demands) is None for model in inventory.models]


@given(MODELS, DEMANDS, DEMANDS)
def test_more_demands_never_let_another_model_in(models: tuple[Model, ...], one: Demands, other: Demands) -> None:
    """What fits both is what fits each, but for tokens, of which the greater number counts."""
    inventory = Inventory.of(models)
    assert not (inventory.fits(both(one, other)) & ~(inventory.fits(one) & inventory.fits(other))).any()


@settings(max_examples=300)
@given(MODELS, SELECTIONS, DEMANDS, ASKED, st.sampled_from([0.1, 0.9]), st.booleans())
def test_a_decision_is_total_lawful_and_the_same_again(
    models: tuple[Model, ...],
    selection: Selection,
    demands: Demands,
    asked: Asked,
    confidence: float,
    spent: bool,
) -> None:
    """Each request gets a model that fits, or the error that none does; nothing that is unfit is ever named."""
    limit = EscalationLimit(0.2, 60, 0)
    made = plan(models, selection, Policy("dan", ("ada",), escalation=limit), ("cyd",))
    situation = Situation(demands, asked, replace(NO_RULING, demands=demands), escalation_spent=spent)
    decision = decided(judged(confidence), made, situation)
    named = {"dan", "ada", *(("ada", "bob", "cyd") if confidence > 0.5 else ()), *set().union(*demands.allowed)}
    fitting = {name for name in named if why_not(made.decider.models[name], demands) is None}
    if decision is None:
        assert fitting == set()
        return
    tried = (decision.model, *decision.fallback_models)
    assert len(set(tried)) == len(tried)
    assert set(tried) <= fitting
    assert decision == decided(judged(confidence), made, situation)
    assert {skip.model for skip in decision.skipped}.isdisjoint(tried)


@settings(max_examples=300)
@given(
    MODELS,
    SELECTIONS,
    st.lists(DEMANDS, min_size=3, max_size=3),
    st.sampled_from([None, *NAMES]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 0.1, 0.9]),
)
def test_rules_cannot_be_got_around(
    models: tuple[Model, ...],
    selection: Selection,
    demands: list[Demands],
    model: str | None,
    routed: bool,
    final: bool,
    confidence: float | None,
) -> None:
    """Whatever rules name, however sure the route is and also without scores: nobody is named whom a rule forbids."""
    made = plan(models, selection, Policy("dan", ("ada",)), ("cyd",))
    own, ordinary, strict = demands
    ruling = Ruling(
        route="code" if routed else None,
        model=model,
        model_is_final=final and model is not None,
        demands=both(ordinary, strict),
        final_demands=strict,
    )
    degraded = Reason.ENCODER_UNAVAILABLE if confidence is None else None
    situation = Situation(own, ruling=ruling, degraded=degraded)
    decision = decided(None if confidence is None else judged(confidence), made, situation)
    if decision is None:
        return
    for name in (decision.model, *decision.fallback_models):
        against = why_not(made.decider.models[name], both(own, both(ordinary, strict)))
        by_final = final and name == model and why_not(made.decider.models[name], both(own, strict)) is None
        assert against is None or by_final
    fits = model is not None and why_not(made.decider.models[model], both(own, both(ordinary, strict))) is None
    assert decision.model == model or not fits
    assert (decision.outcome is Outcome.RULE) == (routed or model is not None)


@settings(max_examples=300)
@given(MODELS, SELECTIONS, DEMANDS, ASKED, st.sampled_from(NAMES))
def test_forbidding_another_model_changes_nothing(
    models: tuple[Model, ...], selection: Selection, demands: Demands, asked: Asked, name: str
) -> None:
    """A choice depends on no model that is not chosen: with one of these gone it is the same."""
    made = plan(models, selection, Policy("dan", ("ada",)))
    asked = replace(asked, session_model=None)
    first = decided(judged(0.9), made, Situation(demands, asked))
    without = replace(demands, forbidden=demands.forbidden | {name})
    second = decided(judged(0.9), made, Situation(without, asked))
    if first is not None and name != first.model:
        assert second is not None
        assert second.model == first.model
    if second is not None:
        assert name not in (second.model, *second.fallback_models)


@given(MODELS, SELECTIONS, ASKED)
def test_the_order_is_that_of_a_plain_sort(models: tuple[Model, ...], selection: Selection, asked: Asked) -> None:
    """Cheapest, fastest and best value as anyone would sort them: then by cost, then by name."""
    asked = replace(asked, session_model=None)
    made = plan(models, selection, Policy("dan"))
    everything = np.ones(len(NAMES), dtype=bool)
    ranked = rank(made.lineups[0], everything, asked).models

    def cost(model: Model) -> float:
        return (
            asked.input_tokens * (model.input_price_usd_micros or 0) + 300 * (model.output_price_usd_micros or 0)
        ) / 1e6

    orders: dict[SelectionMode, Callable[[Model], float]] = {
        SelectionMode.FIXED: lambda m: NAMES.index(m.name),
        SelectionMode.CHEAPEST: cost,
        SelectionMode.FASTEST: lambda m: m.latency_p50_ms or 0,
        SelectionMode.BEST_VALUE: lambda m: -(m.quality["default"] - selection.cost_weight * cost(m) / 1000),
    }
    good = [model for model in models[:3] if model.quality["default"] >= selection.quality_floor]
    if not good:  # the floor leaves none, so that the best come first
        best = sorted(models[:3], key=lambda m: (-m.quality["default"], m.name))
        assert list(ranked) == [model.name for model in best]
        return
    if selection.mode in orders:
        key = orders[selection.mode]
        assert list(ranked) == [m.name for m in sorted(good, key=lambda m: (key(m), cost(m), m.name))]
    assert set(ranked) <= {model.name for model in good}


def test_weights_are_kept_and_keys_draw_alike() -> None:
    """Of 20,000 keys each model gets its share within four standard errors; the same key always draws the same."""
    models = [Model(name, name) for name in NAMES]
    weights = {"ada": 70.0, "bob": 25.0, "cyd": 5.0}
    made = plan(models, Selection(SelectionMode.WEIGHTED, weights), Policy("dan"))
    everything = np.ones(4, dtype=bool)
    draws = [rank(made.lineups[0], everything, Asked(f"key-{n}")).models for n in range(20_000)]
    counts = Counter(draw[0] for draw in draws)
    for name, weight in weights.items():
        share = weight / 100
        assert abs(counts[name] / 20_000 - share) < 4 * (share * (1 - share) / 20_000) ** 0.5
    assert draws[7] == rank(made.lineups[0], everything, Asked("key-7")).models
    second = Counter(draw[1] for draw in draws if draw[0] == "ada")
    assert abs(second["bob"] / second.total() - 25 / 30) < 0.02


def test_a_model_that_leaves_moves_only_its_own() -> None:
    """With one model of a weighted choice gone, keys that drew another still draw it."""
    models = [Model(name, name) for name in NAMES]
    made = plan(models, Selection(SelectionMode.WEIGHTED, {"ada": 50.0, "bob": 30.0, "cyd": 20.0}), Policy("dan"))
    everything = np.ones(4, dtype=bool)
    without = everything.copy()
    without[made.inventory.number["bob"]] = False
    for number in range(500):
        asked = Asked(f"key-{number}")
        before = rank(made.lineups[0], everything, asked).models
        after = rank(made.lineups[0], without, asked).models
        assert after == tuple(name for name in before if name != "bob")


PRICED = (
    Model(
        "ada",
        "ada",
        input_price_usd_micros=100,
        output_price_usd_micros=0,
        cached_input_price_usd_micros=10,
        quality={"default": 0.7},
    ),
    Model("bob", "bob", input_price_usd_micros=60, output_price_usd_micros=0, quality={"default": 0.75}),
    Model("cyd", "cyd", input_price_usd_micros=500, output_price_usd_micros=0, quality={"default": 0.9}),
    Model("dan", "dan"),
)


@pytest.mark.parametrize(
    ("mode", "margin", "cached", "chosen"),
    [
        (SelectionMode.CHEAPEST, 0.0, 0, "bob"),  # nothing is in the prompt cache
        (SelectionMode.CHEAPEST, 0.0, 1000, "ada"),  # with its cache the session's model is the cheaper one
        (SelectionMode.CHEAPEST, 0.0, 400, "bob"),  # 600 at 100 and 400 at 10 is 64,000, 1,000 at 60 is 60,000
        (SelectionMode.CHEAPEST, 0.5, 0, "ada"),  # two fifths are saved, and half is asked
        (SelectionMode.CHEAPEST, 0.3, 0, "bob"),
        (SelectionMode.BEST_VALUE, 0.1, 0, "cyd"),  # gains 0.2
        (SelectionMode.BEST_VALUE, 0.25, 0, "ada"),
    ],
)
def test_a_session_changes_its_model_for_more_than_the_margin(
    mode: SelectionMode, margin: float, cached: int, chosen: str
) -> None:
    """The lost prompt cache counts against another model."""
    made = plan(PRICED, Selection(mode, switch_margin=margin), Policy("dan"))
    asked = Asked("s", input_tokens=1000, session_model="ada", cached_tokens=cached)
    decision = decide(judged(0.9), made, Situation(asked=asked))
    assert decision.model == chosen
    assert (Reason.SESSION_MODEL in decision.reasons) == (chosen == "ada")


def test_a_session_never_keeps_what_does_not_fit() -> None:
    """Its model is passed over like any other."""
    made = plan(PRICED, Selection(SelectionMode.CHEAPEST, switch_margin=1.0), Policy("dan"))
    asked = Asked("s", input_tokens=10, session_model="ada", cached_tokens=10)
    decision = decide(judged(0.9), made, Situation(Demands(forbidden=frozenset({"ada"})), asked))
    assert decision.model == "bob"
    assert decision.skipped == (Skip("ada", SkipReason.FORBIDDEN),)
    assert decision.reasons == (Reason.MODEL_PASSED_OVER,)


SIZED = [
    Model("ada", "ada", context_window_tokens=100, tier="cheap"),
    Model("bob", "bob", context_window_tokens=1_000, capabilities=("vision",), regions=("eu",), tier="strong"),
    Model("cyd", "cyd", max_output_tokens=50, languages=("de",), tier="middle"),
    Model("dan", "dan", tier="strong"),
]


@pytest.mark.parametrize(
    ("demands", "skipped"),
    [
        (Demands(input_tokens=101), ("ada", SkipReason.CONTEXT_WINDOW)),
        (Demands(input_tokens=60, output_tokens=41), ("ada", SkipReason.CONTEXT_WINDOW)),
        (Demands(capabilities=frozenset({"vision"})), ("ada", SkipReason.CAPABILITY)),
        (Demands(forbidden_capabilities=frozenset({"vision"})), ("bob", SkipReason.FORBIDDEN)),
        (Demands(regions=(frozenset({"us"}),)), ("bob", SkipReason.REGION)),
        (Demands(languages=frozenset({"fr"})), ("cyd", SkipReason.LANGUAGE)),
        (Demands(output_tokens=51), ("cyd", SkipReason.OUTPUT_LIMIT)),
        (Demands(allowed=(frozenset({"bob"}),)), ("ada", SkipReason.NOT_ALLOWED)),
    ],
)
def test_each_demand_has_its_reason(demands: Demands, skipped: tuple[str, SkipReason]) -> None:
    """What a model lacks is told, and the next one answers."""
    made = plan(SIZED, Selection(), Policy("dan"))
    decision = decide(judged(0.9), made, Situation(demands))
    assert Skip(*skipped) in decision.skipped
    assert skipped[0] not in (decision.model, *decision.fallback_models)


def test_nothing_fits_is_an_error_that_says_why() -> None:
    """FAILED_PRECONDITION with each model's reason in the metadata."""
    made = plan(SIZED, Selection(), Policy("dan"))
    with pytest.raises(FailedPrecondition, match="relax") as caught:
        decide(judged(0.9), made, Situation(Demands(capabilities=frozenset({"audio"}))))
    assert caught.value.reason == ErrorReason.NO_MODEL_FITS
    assert caught.value.metadata == dict.fromkeys(NAMES, "CAPABILITY")


def test_the_order_of_what_to_try() -> None:
    """The route's own, its fallback, the policy's fallback and chain; of a fallback the policy's alone."""
    policy = Policy("dan", ("bob",))
    route = RoutePolicy("code", "", "ada", 0.5, False, fallback=("cyd",))
    base = replace(decider(), routes=(route,), models={model.name: model for model in SIZED}, policy=policy)
    taken = decide(judged(0.9), Plan.of(base))
    assert (taken.model, *taken.fallback_models) == ("ada", "cyd", "dan", "bob")
    unsure = decide(judged(0.1), Plan.of(base))
    assert (unsure.model, *unsure.fallback_models) == ("dan", "bob")


def test_a_spent_limit_keeps_unsure_requests_from_the_strong_tier() -> None:
    """Not those of a sure route; and where nothing else may answer the strong tier still does."""
    limit = EscalationLimit(0.1, 60, 10)
    made = plan(SIZED, Selection(), Policy("dan", ("bob", "cyd"), escalation=limit))
    unsure = decide(judged(0.1), made, Situation(escalation_spent=True))
    assert (unsure.model, unsure.fallback_models) == ("cyd", ())
    assert Reason.ESCALATION_LIMIT in unsure.reasons
    assert unsure.skipped == (Skip("dan", SkipReason.ESCALATION_LIMIT), Skip("bob", SkipReason.ESCALATION_LIMIT))
    demands = Demands(forbidden=frozenset({"cyd"}))
    last = decide(judged(0.1), made, Situation(demands, escalation_spent=True))
    assert (last.model, Reason.ESCALATION_LIMIT in last.reasons) == ("dan", True)
    sure = decide(judged(0.9), made, Situation(Demands(capabilities=frozenset({"vision"})), escalation_spent=True))
    assert (sure.outcome, sure.model) == (Outcome.MATCHED, "bob")


def test_rules_name_route_and_model() -> None:
    """A rule's word comes first, and whatever it may not have is passed over like any other."""
    made = plan(SIZED, Selection(), Policy("dan"))
    routed = decide(judged(0.1), made, Situation(ruling=Ruling(route="code")))
    assert (routed.outcome, routed.route, routed.model, routed.reasons) == (Outcome.RULE, "code", "ada", ())
    modelled = decide(judged(0.9), made, Situation(ruling=Ruling(model="cyd")))
    assert (modelled.outcome, modelled.route, modelled.model) == (Outcome.RULE, "code", "cyd")
    assert modelled.fallback_models == ("ada", "bob", "dan")
    both_named = decide(None, made, Situation(ruling=Ruling(route="code", model="dan")))
    assert (both_named.route, both_named.model, both_named.confidence) == ("code", "dan", None)
    no_french = Demands(languages=frozenset({"fr"}))
    passed = decide(judged(0.9), made, Situation(no_french, ruling=Ruling(model="cyd")))
    assert (passed.model, passed.reasons) == ("ada", (Reason.MODEL_PASSED_OVER,))


def test_a_rule_raises_the_confidence_that_is_needed() -> None:
    """Over the route's threshold, even for a text that equals an utterance; it never lowers it."""
    made = plan(SIZED, Selection(), Policy("dan"))
    exact = Judgement((Candidate(0, 0.8, 1.0, 0.7, True),), (0.0, 0.0, 0.0), Calibration.POOLED, None)
    for floor, outcome in ((0.6, Outcome.MATCHED), (0.8, Outcome.FALLBACK)):
        decision = decide(exact, made, Situation(ruling=Ruling(min_confidence=floor)))
        assert (decision.outcome, decision.threshold) == (outcome, floor)
    lower = decide(judged(0.4), made, Situation(ruling=Ruling(min_confidence=0.1)))
    assert (lower.outcome, lower.threshold) == (Outcome.FALLBACK, 0.5)


def test_what_is_final_stands_against_what_is_not() -> None:
    """An ordinary rule forbids the final rule's model in vain, a final one does not; others stay bound by both."""
    made = plan(SIZED, Selection(), Policy("dan"))
    no_cyd = Demands(forbidden=frozenset({"cyd", "bob"}))
    ruling = Ruling(model="cyd", model_is_final=True, demands=no_cyd)
    decision = decide(judged(0.9), made, Situation(ruling=ruling))
    assert (decision.model, decision.fallback_models) == ("cyd", ("ada", "dan"))
    bound = decide(judged(0.9), made, Situation(ruling=replace(ruling, final_demands=no_cyd)))
    assert bound.model == "ada"


def test_what_a_rule_requires_may_answer_though_nobody_else_names_it() -> None:
    """A model that only a rule names comes last."""
    made = plan([*SIZED[:3], Model("dan", "dan")], Selection(), Policy("ada"))
    decision = decide(judged(0.9), made, Situation(ruling=Ruling(demands=Demands(allowed=(frozenset({"dan"}),)))))
    assert (decision.model, decision.route) == ("dan", "code")
    assert Reason.MODEL_PASSED_OVER in decision.reasons


def test_a_lineup_takes_quality_by_task() -> None:
    """The family's own, or the default's."""
    models = [
        Model("ada", "ada", quality={"maths": 0.2, "default": 0.6}),
        Model("bob", "bob", quality={"default": 0.5}),
    ]
    route = RoutePolicy("code", "", "ada", 0.5, False, None, ("ada", "bob"), Selection(task="maths"))
    assert Lineup.of(route, Inventory.of(models)).qualities.tolist() == [0.2, 0.5]
