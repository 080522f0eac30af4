"""Experiments of a catalog as they run in a process: who is in which arm, and which arms are stopped."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from fingerpost.serve.decide import decide
from fingerpost.serve.lab import Breach, Lab, SetByHand, revisions_of
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.situation import Offer, Situation
from fingerpost.types import (
    Arm,
    CallStatus,
    CostSource,
    Decision,
    Experiment,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
    Report,
    ReportRow,
    RouteQuery,
)
from tests.fakes import snapshot
from tests.money import with_policy
from tests.unit.test_choosing import judged

NEXT, SHADOW, MISSING = "b" * 64, "c" * 64, "d" * 64
ARMS = (Arm("control", 50.0), Arm("small", 50.0, model="middle"))
TRIAL = Experiment("trial", "code", ExperimentUnit.SESSION, ARMS)
REVISIONS = Experiment("revisions", None, ExperimentUnit.REQUEST, (Arm("now", 50.0), Arm("next", 50.0, revision=NEXT)))
QUERY = RouteQuery("r-1", "default", "fix this bug", tenant="acme", session_id="s-1")


def served(*experiments: Experiment, **others: Snapshot) -> Snapshot:
    return with_policy(snapshot(), {NEXT: snapshot(), SHADOW: snapshot(), **others}, experiments=experiments)


def lab_of(*experiments: Experiment) -> Lab:
    lab = Lab("default")
    lab.adopt(experiments)
    return lab


def arms(lab: Lab, shown: Snapshot, **query: Any) -> Counter[str]:
    """Of 200 requests, sessions and tenants, but for what is told."""
    found: Counter[str] = Counter()
    for number in range(200):
        usual = {"request_id": f"r-{number}", "session_id": f"s-{number}", "tenant": f"t-{number}"}
        offers = lab.enter(replace(QUERY, **{**usual, **query}), shown).offers
        found.update(offer.taken.arm for offer in offers.values())
    return found


# --- Who is in which arm --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "kept", "lost"),
    [
        (ExperimentUnit.TENANT, "tenant", {"tenant": ""}),
        (ExperimentUnit.SESSION, "session_id", {"session_id": ""}),
        (ExperimentUnit.REQUEST, "request_id", {"request_id": ""}),
    ],
)
def test_a_unit_stays_in_its_arm(unit: ExperimentUnit, kept: str, lost: dict[str, str]) -> None:
    """Whatever else differs; others are split by weight, and whoever does not say its unit is in none."""
    trial = replace(TRIAL, unit=unit)
    lab, shown = lab_of(trial), served(trial)
    split = arms(lab, shown)
    assert split.total() == 200
    assert 60 < split["small"] < 140
    tenant = {"tenant": "acme"} if unit is ExperimentUnit.SESSION else {}
    assert len(arms(lab, shown, **{kept: "the same"}, **tenant)) == 1
    assert not arms(lab, shown, **lost)


def test_a_session_is_one_of_its_tenant() -> None:
    """The same name with another tenant is another session."""
    assert len(arms(lab_of(TRIAL), served(TRIAL), session_id="the same")) == 2


def test_an_arm_offers_what_it_does() -> None:
    """To requests of its route, with the chance of its units; the first arm nothing."""
    lab, shown = lab_of(TRIAL), served(TRIAL)
    offers: dict[str, Offer] = {}
    for number in range(50):
        [(route, offer)] = lab.enter(replace(QUERY, session_id=f"{number}"), shown).offers.items()
        assert route == "code"
        assert (offer.taken.experiment, offer.taken.propensity, len(offer.taken.unit)) == ("trial", 0.5, 8)
        offers[offer.taken.arm] = offer
    assert {arm: offer.model for arm, offer in offers.items()} == {"control": None, "small": "middle"}


def test_an_arms_revision_decides() -> None:
    """The one that was opened for it; the first arm's requests are decided by that in force."""
    lab, shown = lab_of(REVISIONS), served(REVISIONS)
    seen: set[str] = set()
    for number in range(50):
        entered = lab.enter(replace(QUERY, request_id=f"{number}"), shown)
        [(route, offer)] = entered.offers.items()
        assert (route, offer.model) == (None, None)
        assert entered.snapshot is (shown.others[NEXT] if offer.taken.arm == "next" else shown)
        seen.add(offer.taken.arm)
    assert seen == {"now", "next"}


def test_a_revision_that_is_not_there_decides_nothing() -> None:
    """Its units are the first arm's, and the state says why; where it is the first arm's there is no experiment."""
    gone = replace(REVISIONS, arms=(Arm("now", 50.0), Arm("next", 50.0, revision=MISSING)))
    lab, shown = lab_of(gone), served(gone)
    assert arms(lab, shown) == {"now": 200}
    assert lab.states(shown)[0].arms[1].stopped == "its revision cannot be served here"
    first = replace(REVISIONS, arms=(Arm("now", 50.0, revision=MISSING), Arm("next", 50.0, revision=NEXT)))
    assert set(arms(lab_of(first), served(first))) == {"next"}


def test_experiments_beside_each_other() -> None:
    """Of two routes and a shadow: each for itself."""
    other = replace(TRIAL, name="other", route="maths")
    shadow = Experiment("shadow", shadow=SHADOW)
    lab, shown = lab_of(TRIAL, other, shadow), served(TRIAL, other, shadow)
    entered = lab.enter(QUERY, shown)
    assert set(entered.offers) == {"code", "maths"}
    assert [one.snapshot for one in entered.shadows] == [shown.others[SHADOW]]
    assert lab_of().enter(QUERY, shown).offers == {}


def test_a_shadow_sees_its_share() -> None:
    """Of the requests; of a revision that is not there none, and the state says so."""
    shadow = Experiment("shadow", shadow=SHADOW, share=25.0)
    lab, shown = lab_of(shadow), served(shadow)
    seen = sum(bool(lab.enter(replace(QUERY, request_id=f"{number}"), shown).shadows) for number in range(400))
    assert 60 < seen < 140
    gone = Experiment("shadow", shadow=MISSING)
    lab, shown = lab_of(gone), served(gone)
    assert lab.enter(QUERY, shown).shadows == ()
    [state] = lab.states(shown)
    assert state.shadow is not None
    assert state.shadow.error == "its revision cannot be served here"


def test_which_revisions_are_named() -> None:
    """Each once, in order."""
    again = Experiment("again", None, ExperimentUnit.REQUEST, (Arm("a", 50.0, revision=SHADOW), Arm("b", 50.0)))
    assert revisions_of([REVISIONS, Experiment("shadow", shadow=SHADOW), again, TRIAL]) == [NEXT, SHADOW]


# --- What is set by hand --------------------------------------------------------------------------------------------


def test_an_experiment_that_is_stopped() -> None:
    """Nobody is in it; it goes on as it was."""
    lab, shown = lab_of(TRIAL), served(TRIAL)
    before = arms(lab, shown)
    lab.set_by_hand({"trial": SetByHand(running=False)})
    assert not arms(lab, shown)
    assert lab.states(shown)[0].stopped == "stopped by hand"
    lab.set_by_hand({})
    assert arms(lab, shown) == before
    assert lab.states(shown)[0].stopped == ""


def test_other_weights() -> None:
    """They hold in place of the policy's, for drawing and for the chance that is told."""
    lab, shown = lab_of(TRIAL), served(TRIAL)
    lab.set_by_hand({"trial": SetByHand(weights={"control": 0.0, "small": 100.0})})
    assert arms(lab, shown) == {"small": 200}
    assert lab.enter(QUERY, shown).offers["code"].taken.propensity == 1.0
    assert [arm.weight for arm in lab.states(shown)[0].arms] == [0.0, 100.0]


def test_an_arm_that_is_stopped() -> None:
    """Its units are the first arm's, whoever stopped it; others stay where they are."""
    lab, shown = lab_of(TRIAL), served(TRIAL)
    lab.set_by_hand({"trial": SetByHand(stopped={"small": "too dear"})})
    assert arms(lab, shown) == {"control": 200}
    assert lab.enter(QUERY, shown).offers["code"].taken.propensity == 1.0
    assert lab.states(shown)[0].arms[1].stopped == "too dear"


# --- Guardrails -----------------------------------------------------------------------------------------------------

GUARDED = replace(
    TRIAL,
    guardrails=(Guardrail(GuardedMeasure.ERROR_SHARE, max=0.1), Guardrail(GuardedMeasure.FALLBACK_SHARE, max=0.5)),
)


def row(number: int, status: CallStatus, arm: str = "trial/small", **others: Any) -> ReportRow:
    report = Report("id", "middle", status)
    usual = {"cost_usd_micros": 0, "cost_source": CostSource.RESERVED}
    return ReportRow(
        f"{number:024d}", "shop", "acme", "default", report, 1, 2, **{**usual, **others}, arm=arm, unit=f"{number:08x}"
    )


def failed(lab: Lab, count: int, arm: str = "trial/small") -> list[Breach]:
    told = [lab.reported(row(number, CallStatus.SERVER_ERROR, arm)) for number in range(count)]
    return [breach for breach in told if breach is not None]


def test_a_breach_stops_the_arm_and_is_told_once() -> None:
    """With why; never the first arm, which is what the others are compared with."""
    lab, shown = lab_of(GUARDED), served(GUARDED)
    [breach] = failed(lab, 60)
    assert (breach.experiment, breach.arm) == ("trial", "small")
    assert "failed" in breach.why
    assert arms(lab, shown) == {"control": 200}
    state = lab.states(shown)[0].arms[1]
    assert (state.stopped, state.reports, state.error_share) == (breach.why, 60, 1.0)
    assert not failed(lab, 60, "trial/control")


def test_good_calls_stop_nothing() -> None:
    """Nor do those that say nothing of the model."""
    lab = lab_of(GUARDED)
    for status in (CallStatus.OK, CallStatus.CANCELLED, CallStatus.INVALID_REQUEST, CallStatus.CONTENT_FILTERED):
        assert [lab.reported(row(number, status)) for number in range(60)] == [None] * 60
    assert lab.states(served(GUARDED))[0].arms[1].error_share == 0.0


def decision(arm: str, number: int, confidence: float) -> Decision:
    taken = Offer(lab_of(TRIAL).enter(QUERY, served(TRIAL)).offers["code"].taken)
    made = decide(judged(confidence), served(TRIAL).plan, Situation())
    return replace(made, arm=replace(taken.taken, arm=arm, unit=f"{number:08x}"))


def test_decisions_that_fall_back_are_counted() -> None:
    """They stop an arm like failed calls; decisions of no arm, and of experiments that are gone, count nowhere."""
    lab = lab_of(GUARDED)
    fallback = decision("small", 0, 0.1)
    assert fallback.arm is not None
    told = [lab.decided(replace(fallback, arm=replace(fallback.arm, unit=f"{n:08x}"))) for n in range(60)]
    [breach] = [one for one in told if one is not None]
    assert (breach.arm, "fell back" in breach.why) == ("small", True)
    state = lab.states(served(GUARDED))[0].arms[1]
    assert (state.decisions, state.fallback_share) == (60, 1.0)
    assert lab.decided(replace(fallback, arm=None)) is None
    assert lab.decided(replace(fallback, arm=replace(fallback.arm, experiment="gone"))) is None
    assert lab.reported(row(1, CallStatus.OK, "gone/small")) is None


def test_only_told_costs_count() -> None:
    """Reserved amounts are no costs."""
    lab = lab_of(TRIAL)
    for number, source in enumerate(CostSource):
        lab.reported(row(number, CallStatus.OK, cost_usd_micros=1_000_000, cost_source=source))
    state = lab.states(served(TRIAL))[0].arms[1]
    assert (state.reports, state.cost_usd) == (len(CostSource), 1.0)


def test_a_stop_that_is_written_down_and_reset() -> None:
    """It holds from the breach on, stays when the ledger says so, and ends when somebody resets it: from nothing."""
    lab, shown = lab_of(GUARDED), served(GUARDED)
    [breach] = failed(lab, 60)
    lab.set_by_hand({})
    assert arms(lab, shown) == {"control": 200}, "the ledger does not know of it yet"
    lab.set_by_hand({"trial": SetByHand(stopped={"small": breach.why})})
    assert arms(lab, shown) == {"control": 200}
    lab.set_by_hand({})
    assert set(arms(lab, shown)) == {"control", "small"}
    assert lab.reported(row(1, CallStatus.SERVER_ERROR)) is None, "what stopped it is forgotten"
    assert len(failed(lab, 60)) == 1


def test_another_revision_with_the_same_experiment() -> None:
    """Its counts and stops go on; one that changed begins anew, one that is gone is gone."""
    lab, shown = lab_of(GUARDED), served(GUARDED)
    failed(lab, 60)
    lab.adopt((GUARDED, REVISIONS))
    assert lab.states(shown)[1].arms[1].reports == 60
    assert arms(lab, shown)["small"] == 0
    changed = replace(GUARDED, unit=ExperimentUnit.REQUEST)
    lab.adopt((changed,))
    [state] = lab.states(shown)
    assert (state.arms[1].reports, state.arms[1].stopped) == (0, "")
    lab.adopt(())
    assert (lab.states(shown), lab.arm_named("0" * 8)) == ([], "")
