"""Which model answers when some fail, some are too dear, and some are tried: and what the decision says of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fingerpost.errors import ErrorReason, Overloaded, Unavailable
from fingerpost.guard.budget import Accounts, Purse
from fingerpost.serve.decide import decide
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import Ruling
from fingerpost.serve.select import Asked
from fingerpost.serve.situation import Blocked, Offer, Situation
from fingerpost.types import (
    AccountKey,
    ArmTaken,
    BudgetOf,
    Decision,
    Demands,
    EscalationLimit,
    Model,
    Outcome,
    Policy,
    Reason,
    RoutePolicy,
    Selection,
    SelectionMode,
    Skip,
    SkipReason,
    WhenSpent,
)
from tests.fakes import decider
from tests.money import budget
from tests.unit.test_choosing import judged

NAMES = ("ada", "bob", "cyd", "dan")
PRICES = {"ada": 300, "bob": 40, "cyd": 10, "dan": 500}  # micro-dollars an answer of one token, and of no input
MODELS = {
    name: Model(
        name,
        f"up-{name}",
        input_price_usd_micros=0,
        output_price_usd_micros=price * 1_000_000,
        tier="strong" if name == "dan" else "",
    )
    for name, price in PRICES.items()
}
ASKED = Asked("key", output_tokens=1)


def plan(selection: Selection | None = None, **policy: Any) -> Plan:
    """A route of `ada` and `bob`; whatever no route is sure of goes to `dan`, then `cyd`."""
    route = RoutePolicy("code", "", "ada", 0.5, False, None, ("ada", "bob"), selection or Selection())
    given_policy = Policy("dan", ("cyd",), **policy)
    return Plan.of(replace(decider(), routes=(route,), models=MODELS, policy=given_policy))


PLAN = plan()


def sure(situation: Situation, made: Plan = PLAN) -> Decision:
    """Of a request that goes the route."""
    return decide(judged(0.9), made, replace(situation, asked=ASKED))


def unsure(situation: Situation, made: Plan = PLAN) -> Decision:
    return decide(judged(0.1), made, replace(situation, asked=ASKED))


# --- Models that fail -----------------------------------------------------------------------------------------------


def test_a_model_that_fails_is_left_alone() -> None:
    """The next one answers, and the decision says why; of one further down only the skips tell."""
    decision = sure(Situation(blocked=Blocked(frozenset({"ada"}))))
    assert (decision.model, decision.fallback_models) == ("bob", ("dan", "cyd"))
    assert decision.reasons == (Reason.BREAKER_OPEN,)
    assert decision.skipped == (Skip("ada", SkipReason.BREAKER_OPEN),)
    assert not decision.degraded
    later = sure(Situation(blocked=Blocked(frozenset({"dan"}))))
    assert (later.model, later.fallback_models, later.reasons) == ("ada", ("bob", "cyd"), ())
    assert later.skipped == (Skip("dan", SkipReason.BREAKER_OPEN),)


@given(st.frozensets(st.sampled_from([*NAMES, "gone"])))
def test_the_order_stays_without_them(blocked: frozenset[str]) -> None:
    """Of those that work the first answers, and the rest come after it as they would have."""
    situation = Situation(blocked=Blocked(blocked))
    order = [name for name in ("ada", "bob", "dan", "cyd") if name not in blocked]
    if not order:
        with pytest.raises(Unavailable):
            sure(situation)
        return
    decision = sure(situation)
    assert [decision.model, *decision.fallback_models] == order
    assert {skip.model for skip in decision.skipped} == blocked & set(NAMES)


@pytest.mark.parametrize(
    ("seconds", "retry_ms"),
    [({}, None), ({"ada": 40.0, "cyd": 12.3456}, 12_346), ({"bob": 0.0}, 1), ({"eve": 1.0}, None)],
)
def test_all_fail(seconds: Mapping[str, float], retry_ms: int | None) -> None:
    """It can be retried when the first of those that fit is tried again; where somebody must act no time is told."""
    blocked = Blocked(frozenset(NAMES), frozenset({"ada", "bob"}), seconds)
    with pytest.raises(Unavailable, match="fingerpost breaker") as raised:
        sure(Situation(blocked=blocked))
    assert (raised.value.reason, raised.value.retry_after_ms) == (ErrorReason.NO_HEALTHY_MODEL, retry_ms)
    assert raised.value.metadata == dict.fromkeys(NAMES, "BREAKER_OPEN")


def test_all_are_limited_by_their_providers() -> None:
    """That is no failure, but too many calls; models that may not answer anyway count for nothing."""
    blocked = Blocked(frozenset(NAMES), frozenset({"ada", "bob", "dan"}), {"bob": 7.0, "cyd": 2.0})
    without_cyd = Situation(Demands(forbidden=frozenset({"cyd"})), blocked=blocked)
    with pytest.raises(Overloaded) as raised:
        sure(without_cyd)
    assert (raised.value.reason, raised.value.retry_after_ms) == (ErrorReason.MODELS_RATE_LIMITED, 7_000)
    assert raised.value.metadata == {"cause": "models_rate_limited"}
    with pytest.raises(Unavailable):
        sure(replace(without_cyd, demands=Demands()))


def test_a_rules_model_fails() -> None:
    """Also a final rule's: it is passed over, and what it forbids stays forbidden."""
    no_ada = Demands(forbidden=frozenset({"ada"}))
    final = Ruling(model="cyd", model_is_final=True, demands=no_ada, final_demands=no_ada)
    decision = sure(Situation(ruling=final, blocked=Blocked(frozenset({"cyd"}))))
    assert (decision.outcome, decision.model) == (Outcome.RULE, "bob")
    assert decision.reasons == (Reason.BREAKER_OPEN,)


def test_a_limit_of_the_strong_tier_beside_breakers() -> None:
    """The limit keeps out what it may; where nothing else works, what is limited answers."""
    made = plan(escalation=EscalationLimit(0.2, 60, 0))
    limited = unsure(Situation(escalation_spent=True, blocked=Blocked(frozenset({"ada"}))), made)
    assert (limited.outcome, limited.model) == (Outcome.FALLBACK, "cyd")
    assert Reason.ESCALATION_LIMIT in limited.reasons
    assert limited.skipped == (Skip("dan", SkipReason.ESCALATION_LIMIT),)
    last = unsure(Situation(escalation_spent=True, blocked=Blocked(frozenset({"cyd"}))), made)
    assert (last.model, last.fallback_models) == ("dan", ())
    routed = sure(Situation(escalation_spent=True, blocked=Blocked(frozenset({"ada", "bob"}))), made)
    assert routed.model == "dan", "of a route it limits nothing"


# --- Models that are too dear ---------------------------------------------------------------------------------------


def purse(left: int, when: WhenSpent, of: BudgetOf = BudgetOf.CATALOG) -> Purse:
    return Purse(
        budget("b", limit=1_000, when_spent=when, of=of), AccountKey("default", "b", "", 0), 1, 1_000, left=left, more=0
    )


def test_a_budget_changes_the_model() -> None:
    """The cheapest that it pays answers; what it cannot pay is told, and why."""
    decision = sure(Situation(accounts=Accounts(0.0, (purse(299, WhenSpent.CHEAPEST),))))
    assert (decision.model, decision.fallback_models, decision.expected_usd_micros) == ("cyd", ("bob",), 10)
    assert decision.reasons == (Reason.BUDGET_EXHAUSTED,)
    assert decision.skipped == (Skip("ada", SkipReason.BUDGET), Skip("dan", SkipReason.BUDGET))
    own = Accounts(0.0, (), {}, {"ada": (purse(0, WhenSpent.REFUSE, BudgetOf.MODEL),)})
    passed = sure(Situation(accounts=own))
    assert (passed.model, passed.reasons) == ("bob", (Reason.BUDGET_EXHAUSTED,))
    enough = sure(Situation(accounts=Accounts(0.0, (purse(300, WhenSpent.REFUSE),))))
    assert (enough.model, enough.reasons, enough.fallback_models) == ("ada", (), ("bob", "cyd"))


def test_failing_models_ask_no_budget() -> None:
    """A budget refuses nothing for the price of a model that would not be called."""
    accounts = Accounts(0.0, (purse(40, WhenSpent.REFUSE),))
    with pytest.raises(Overloaded):
        sure(Situation(accounts=accounts))
    decision = sure(Situation(accounts=accounts, blocked=Blocked(frozenset({"ada"}))))
    assert (decision.model, decision.reasons) == ("bob", (Reason.BREAKER_OPEN,))


def test_what_was_paid_for_is_not_paid_again() -> None:
    """The same request again: its model, also where nothing is left; where that fails another, to be paid for."""
    empty = Accounts(0.0, (purse(0, WhenSpent.REFUSE),))
    again = sure(Situation(accounts=empty, paid="bob"))
    assert (again.model, again.fallback_models) == ("bob", ("ada", "dan", "cyd"))
    with pytest.raises(Overloaded):
        sure(Situation(accounts=empty, paid="bob", blocked=Blocked(frozenset({"bob"}))))


# --- Models that are tried ------------------------------------------------------------------------------------------

SMALL = Offer(ArmTaken("trial", "small", 0.2, "0badcafe"), model="cyd")
CONTROL = Offer(ArmTaken("trial", "control", 0.8, "0badcafe"))
NEXT = Offer(ArmTaken("next", "new", 0.5, "0badcafe"), revision="b" * 64)


def test_an_arms_model_comes_first() -> None:
    """With its reason; the route's own come after it, and the decision names the arm."""
    decision = sure(Situation(offers={"code": SMALL}))
    assert (decision.model, decision.fallback_models) == ("cyd", ("ada", "bob", "dan"))
    assert (decision.reasons, decision.arm) == ((Reason.EXPERIMENT,), SMALL.taken)
    assert decision.skipped == ()


def test_the_first_arm_changes_nothing() -> None:
    """But that it is named."""
    assert sure(Situation(offers={"code": CONTROL})) == replace(sure(Situation()), arm=CONTROL.taken)


def test_an_arm_whose_model_cannot_answer() -> None:
    """The request stays in its arm, or arms would differ in whom they have; the route's own model answers."""
    failing = sure(Situation(offers={"code": SMALL}, blocked=Blocked(frozenset({"cyd"}))))
    assert (failing.model, failing.arm, failing.reasons) == ("ada", SMALL.taken, (Reason.BREAKER_OPEN,))
    forbidden = sure(Situation(Demands(forbidden=frozenset({"cyd"})), offers={"code": SMALL}))
    assert (forbidden.model, forbidden.arm, forbidden.reasons) == ("ada", SMALL.taken, (Reason.MODEL_PASSED_OVER,))


def test_a_rules_model_is_no_experiment() -> None:
    """Its model answers and no arm is taken; a rule that names the route alone leaves the arm."""
    ruled = sure(Situation(offers={"code": SMALL}, ruling=Ruling(model="bob")))
    assert (ruled.model, ruled.arm, ruled.reasons) == ("bob", None, ())
    routed = unsure(Situation(offers={"code": SMALL}, ruling=Ruling(route="code")))
    assert (routed.model, routed.arm, routed.outcome) == ("cyd", SMALL.taken, Outcome.RULE)


def test_only_requests_of_the_route_are_in_its_experiment() -> None:
    """Others, and those that fall back, are in none."""
    assert unsure(Situation(offers={"code": SMALL})) == unsure(Situation())
    assert sure(Situation(offers={"maths": SMALL})) == sure(Situation())


def test_an_arms_revision_is_an_arm_of_all() -> None:
    """Whatever the route and the outcome, with its reason, and also where a rule names the model."""
    for decision in (
        sure(Situation(offers={None: NEXT})),
        unsure(Situation(offers={None: NEXT})),
        sure(Situation(offers={None: NEXT}, ruling=Ruling(model="bob"))),
    ):
        assert decision.arm == NEXT.taken
        assert Reason.EXPERIMENT in decision.reasons


def test_the_chance_of_a_model() -> None:
    """That of the route's own draw for whom it was drawn, and one for whom nothing was drawn."""
    made = plan(Selection(SelectionMode.WEIGHTED, {"ada": 75.0, "bob": 25.0}))
    drawn = sure(Situation(), made)
    chances = {"ada": 0.75, "bob": 0.25}
    assert drawn.propensity == chances[drawn.model]
    tried = sure(Situation(offers={"code": SMALL}), made)
    assert (tried.model, tried.propensity) == ("cyd", 1.0)
    other = "bob" if drawn.model == "ada" else "ada"
    without = sure(Situation(blocked=Blocked(frozenset({drawn.model}))), made)
    assert (without.model, without.propensity) == (other, 1.0)
