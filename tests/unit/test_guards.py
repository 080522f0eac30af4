"""Guards of a catalog: what they know stays with the next revision, and what is set by hand holds over it."""

import time
from dataclasses import replace

from fingerpost.serve.decide import decide
from fingerpost.serve.guards import BreakerByHand, ByHand, CatalogGuards, Guards
from fingerpost.serve.lab import SetByHand
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.situation import NOTHING_BLOCKED, Situation
from fingerpost.serve.spending import Spending
from fingerpost.types import Activation, Arm, BreakerPosition, BreakerRules, CallStatus, EscalationLimit, Experiment
from tests.money import budget, spending
from tests.spending import START_S, Clock
from tests.treasury import MemoryTreasury
from tests.unit.test_choosing import judged

TRIAL = Experiment("trial", "code", arms=(Arm("control", 50.0), Arm("small", 50.0, model="middle")))
OPEN = BreakerByHand(BreakerPosition.OPEN, None, "os:ann")


def revision(number: int = 1, **policy: object) -> Snapshot:
    served = spending(budget(limit=1_000), experiments=(TRIAL,), **policy)
    return replace(served, activation=Activation("default", f"{number:064x}", number))


def fail(guards: CatalogGuards, model: str, times: int = 5) -> None:
    for _ in range(times):
        guards.breakers.report(model, CallStatus.SERVER_ERROR, 1.0)


def desk() -> Guards:
    return Guards(Spending(MemoryTreasury(), Clock()))


# --- Of one catalog -------------------------------------------------------------------------------------------------


def test_what_is_blocked_and_why() -> None:
    """Failing models, those whose provider asked for it, and when each is tried again."""
    guards = CatalogGuards(revision())
    assert guards.blocked(1.0) is NOTHING_BLOCKED
    fail(guards, "code")
    guards.breakers.report("big", CallStatus.RATE_LIMITED, 1.0, 7.0)
    blocked = guards.blocked(2.0)
    assert (blocked.models, blocked.rate_limited) == (frozenset({"code", "big"}), frozenset({"big"}))
    assert blocked.retry_seconds == {"code": 29.0, "big": 6.0}
    by_hand = CatalogGuards(revision())
    by_hand.set_breakers({}, {"code": OPEN}, 1.0, START_S)
    assert (by_hand.blocked(2.0).models, by_hand.blocked(2.0).retry_seconds) == (frozenset({"code"}), {})


def test_the_strong_tiers_share() -> None:
    """Counted by decisions; a limit that stays the same goes on with its counts, another begins anew."""
    limit = EscalationLimit(0.5, 60, 2, tier="strong")
    guards = CatalogGuards(revision(escalation=limit))
    taken = decide(judged(0.9), guards.snapshot.plan, Situation())
    for _ in range(3):
        guards.decided(taken, "strong", 1.0)
    assert guards.escalation_spent(1.0)
    guards.adopt(revision(2, escalation=limit))
    assert guards.escalation_spent(1.0)
    guards.adopt(revision(3, escalation=replace(limit, min_decisions=3)))
    assert not guards.escalation_spent(1.0)
    guards.adopt(revision(4))
    guards.decided(taken, "strong", 1.0)
    assert not guards.escalation_spent(1.0)


def test_another_revision_keeps_what_was_learned() -> None:
    """Of models that stay, under its own rules."""
    guards = CatalogGuards(revision())
    fail(guards, "code")
    guards.adopt(revision(2, breakers=BreakerRules(consecutive_failures=2)))
    assert guards.blocked(2.0).models == {"code"}
    fail(guards, "maths", 2)
    assert guards.blocked(2.0).models == {"code", "maths"}


def test_breakers_that_are_set_by_hand() -> None:
    """Until their time is over or they are reset, which leaves them as new; a time that is over sets nothing."""
    guards = CatalogGuards(revision())
    fail(guards, "maths")
    for_a_while = replace(OPEN, until_s=START_S + 30)
    over = replace(OPEN, until_s=START_S)
    closed = replace(OPEN, position=BreakerPosition.CLOSED)
    set_ = {"code": for_a_while, "big": over, "maths": closed}
    guards.set_breakers({}, set_, 100.0, START_S)
    assert guards.blocked(100.0).models == {"code"}
    assert guards.breakers.why("code", 100.0).by_hand == "os:ann"
    assert guards.blocked(130.5).models == frozenset()
    guards.set_breakers(set_, {"middle": OPEN}, 131.0, START_S + 31)
    assert guards.blocked(131.0).models == {"middle"}
    guards.set_breakers({"middle": OPEN}, {}, 132.0, START_S + 32)
    assert guards.blocked(132.0).models == frozenset()


def test_a_model_that_is_gone_is_in_nobodys_way() -> None:
    """What is set of it waits until a revision has it again; the others' holds."""
    guards, set_ = desk(), {"gone": OPEN, "code": OPEN}
    guards.set_by_hand({"default": ByHand(breakers=set_)})
    assert guards.of(revision()).blocked(time.monotonic()).models == {"code"}
    guards.set_by_hand({"default": ByHand()})
    assert guards.of(revision()).blocked(time.monotonic()).models == frozenset()


# --- Of all catalogs ------------------------------------------------------------------------------------------------


def test_each_catalog_has_its_own() -> None:
    """Made when it is first asked for; they stay the same as long as its revision does, and go on with the next."""
    guards, first = desk(), revision()
    assert guards.known() == ()
    own = guards.of(first)
    assert guards.of(first) is own
    other = guards.of(replace(first, activation=Activation("other", "f" * 64, 1)))
    assert other is not own
    fail(own, "code")
    again = guards.of(revision(2))
    assert again is own
    assert again.snapshot.revision == f"{2:064x}"
    assert (again.blocked(2.0).models, other.blocked(2.0).models) == (frozenset({"code"}), frozenset())
    assert guards.known() == (own, other)


def test_what_is_set_by_hand_reaches_all_of_it() -> None:
    """Breakers, experiments and limits, of catalogs that were asked for and of those that will be."""
    guards = desk()
    own = guards.of(revision())
    [purse] = guards.spending.accounts("default", own.snapshot.decider, "acme").common
    set_ = ByHand({("all", ""): 2_000}, {"code": OPEN}, {"trial": SetByHand(running=False)})
    guards.set_by_hand({"default": set_, "later": set_})
    assert own.blocked(time.monotonic()).models == {"code"}
    assert own.lab.states(own.snapshot)[0].stopped == "stopped by hand"
    assert purse.limit_usd_micros == 2_000
    later = guards.of(replace(revision(), activation=Activation("later", "f" * 64, 1)))
    assert later.blocked(time.monotonic()).models == {"code"}
    [of_later] = guards.spending.accounts("later", later.snapshot.decider, "acme").common
    assert of_later.limit_usd_micros == 2_000
    guards.set_by_hand({})
    assert own.blocked(time.monotonic()).models == frozenset()
    assert own.lab.states(own.snapshot)[0].stopped == ""
    assert (purse.limit_usd_micros, of_later.limit_usd_micros) == (1_000, 1_000)


def test_what_is_set_by_hand_holds_with_the_next_revision() -> None:
    """Although its breakers may be new ones."""
    guards = desk()
    guards.of(revision())
    guards.set_by_hand({"default": ByHand(breakers={"code": OPEN})})
    own = guards.of(revision(2))
    assert own.blocked(time.monotonic()).models == {"code"}
    guards.set_by_hand({"default": ByHand(breakers={"code": OPEN, "big": OPEN})})
    assert own.blocked(time.monotonic()).models == {"code", "big"}
