"""What differs between two revisions, before any text is decided."""

from dataclasses import replace

import numpy as np

from fingerpost.build.diff.changes import Changed, compared
from fingerpost.types import Calibration, ConfidenceMap, EncoderId, Head
from tests.fakes import HASH_ENCODER
from tests.revisions import revision_of

ROUTES = {"code": ["fix this bug", "review my code", "write a loop"], "maths": ["add these numbers", "solve for x"]}
BASE = revision_of(ROUTES, ["qwzx"])


def test_a_revision_does_not_differ_from_itself() -> None:
    """Nothing came, went, moved or changed."""
    between = compared(BASE, BASE)
    changes = between.changes
    assert (changes.routes_added, changes.routes_removed, changes.models, changes.thresholds) == ((), (), (), ())
    assert (changes.routes_renamed, changes.utterances_added, changes.utterances_removed) == ({}, {}, {})
    assert (changes.utterances_moved, changes.encoder, changes.calibration, changes.scorer) == (0, None, False, False)
    assert (between.moves.added, between.moves.removed) == (frozenset(), frozenset())


def test_utterances_that_came_went_and_moved() -> None:
    """Each is counted once, under its route; a moved one is neither added nor removed."""
    after = {"code": ["fix this bug", "write a loop"], "maths": ["add these numbers", "review my code", "count apples"]}
    changes = compared(BASE, revision_of(after)).changes
    assert changes.utterances_added == {"maths": 1}
    assert changes.utterances_removed == {"": 1, "maths": 1}
    assert changes.utterances_moved == 1


def test_routes_that_came_and_went() -> None:
    """A route without a counterpart is new or gone, also one without any utterance."""
    after = revision_of({"code": ROUTES["code"], "travel": ["plan a trip"], "empty": []})
    changes = compared(BASE, after).changes
    assert (changes.routes_added, changes.routes_removed) == (("empty", "travel"), ("maths",))
    assert changes.routes_renamed == {}


def test_a_renamed_route_is_one_route() -> None:
    """Most of its texts tell that it is the same: its utterances did not move, its model and threshold are compared."""
    routes = {"arithmetic": [*ROUTES["maths"], "count apples"], "code": ROUTES["code"]}
    after = revision_of(routes, ["qwzx"], models={"arithmetic": "big"}, thresholds={"arithmetic": 0.3})
    between = compared(BASE, after)
    changes = between.changes
    assert changes.routes_renamed == {"maths": "arithmetic"}
    assert (changes.routes_added, changes.routes_removed, changes.utterances_moved) == ((), (), 0)
    assert changes.utterances_added == {"arithmetic": 1}
    assert changes.models == (Changed("arithmetic", "maths", "big"),)
    assert changes.thresholds == (Changed("arithmetic", 0.0, 0.3),)
    assert between.now_called("maths") == "arithmetic"
    assert between.now_called(None) is None


def test_of_two_that_came_the_likest_is_the_renamed_one() -> None:
    """A route that was split is renamed to the part that has most of its texts; the other part is new."""
    after = revision_of(
        {"fixing": ROUTES["code"][:2], "writing": ROUTES["code"][2:], "maths": ROUTES["maths"]}, ["qwzx"]
    )
    changes = compared(BASE, after).changes
    assert (changes.routes_renamed, changes.routes_added) == ({"code": "fixing"}, ("writing",))
    assert changes.utterances_moved == 1


def test_models_thresholds_maps_scorer_and_encoder() -> None:
    """Everything else that a decision rests on is told when it changed, and only then."""
    other_map = ConfidenceMap(Calibration.POOLED, -3.0, (8.0, 0.3, 2.0), 100, 0.2)
    after = revision_of(
        ROUTES,
        ["qwzx"],
        thresholds={"code": 0.7},
        models={"code": "middle"},
        fallback_model="huge",
        confidence_map=other_map,
        encoder=EncoderId("e" * 64, "other", 32, 256),
    )
    changes = compared(BASE, after).changes
    assert changes.models == (Changed(None, "big", "huge"), Changed("code", "code", "middle"))
    assert changes.thresholds == (Changed("code", 0.0, 0.7),)
    assert changes.encoder == Changed(None, "hash", "other")
    assert (changes.calibration, changes.scorer) == (True, False)


def test_encoders_of_one_name_are_told_apart() -> None:
    """Where the name is the same the digests say that the encoder is another one."""
    changes = compared(BASE, revision_of(ROUTES, encoder=replace(HASH_ENCODER, digest="e" * 64))).changes
    assert changes.encoder == Changed(None, f"hash {'f' * 12}", f"hash {'e' * 12}")


def test_a_head_that_was_trained_anew_is_another_scorer() -> None:
    """Equal arrays are the same scorer, another number or another share of the vote is not."""
    head = Head(*(np.zeros(shape, np.float32) for shape in ((33, 2), (32, 32), (33, 2))))
    first, same = replace(BASE, head=head), replace(BASE, head=replace(head, linear=head.linear.copy()))
    moved = replace(BASE, head=replace(head, linear=head.linear + 1))
    blended = replace(first, decider=replace(first.decider, blend=0.5))
    assert [compared(first, other).changes.scorer for other in (same, moved, blended, BASE)] == [
        False,
        True,
        True,
        True,
    ]
