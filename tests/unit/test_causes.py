"""Why a decision changed: each cause comes out of revisions in which just that was changed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.build.diff.causes import Cause, CauseKind, causes_of
from fingerpost.build.diff.changes import compared
from fingerpost.types import Calibration, ConfidenceMap, Revision
from tests.fakes import DEFAULT_MAP, HASH_ENCODER, HashEmbedder
from tests.revisions import diff_between, judged_by, revision_of

TEXT = "alpha beta gamma"
NEAR = "alpha beta zeta"
CODE, MATHS = ["alpha delta epsilon", "code words here"], ["seven plus eight", "nine times six"]
BASE = revision_of({"code": CODE, "maths": MATHS})
"""Takes the text for code, since every route passes its threshold of 0."""


def causes(before: Revision, after: Revision, text: str = TEXT) -> tuple[Cause, ...]:
    """Why the text is decided otherwise, which it must be."""
    diff = diff_between(before, after, {text: None}, labelled=False)
    [group] = diff.groups
    [changed] = group.texts
    return changed.causes


def kinds(before: Revision, after: Revision, text: str = TEXT) -> list[CauseKind]:
    return [cause.kind for cause in causes(before, after, text)]


def confidence(revision: Revision, text: str = TEXT) -> float:
    found = judged_by(revision, text)[0].confidence
    assert found is not None
    return found


# --- Utterances ----------------------------------------------------------------------------------------------------


def test_an_utterance_was_added() -> None:
    """The nearest utterance is new: it is named with its route."""
    after = revision_of({"code": CODE, "maths": [*MATHS, NEAR]})
    assert causes(BASE, after) == (Cause(CauseKind.UTTERANCE_ADDED, "maths", NEAR),)


def test_the_text_itself_was_added() -> None:
    """A test text that became an utterance is the cause of its own decision."""
    after = revision_of({"code": CODE, "maths": [*MATHS, TEXT]})
    assert causes(BASE, after) == (Cause(CauseKind.UTTERANCE_ADDED, "maths", TEXT),)


def test_an_utterance_was_moved() -> None:
    """One text that changed its route is one cause, with both routes."""
    before = revision_of({"code": [*CODE, NEAR], "maths": MATHS})
    after = revision_of({"code": CODE, "maths": [*MATHS, NEAR]})
    assert causes(before, after) == (Cause(CauseKind.UTTERANCE_MOVED, "maths", NEAR, "code", "maths"),)


def test_an_utterance_was_removed() -> None:
    """What spoke for the old decision is gone."""
    before = revision_of({"code": [NEAR, "code words here"], "maths": [*MATHS, "alpha gamma theta"]})
    after = revision_of({"code": ["code words here"], "maths": [*MATHS, "alpha gamma theta"]})
    assert causes(before, after) == (Cause(CauseKind.UTTERANCE_REMOVED, "code", NEAR),)


def test_one_came_and_one_went() -> None:
    """Both are told, the new one first."""
    before = revision_of({"code": [*CODE, NEAR], "maths": MATHS})
    after = revision_of({"code": CODE, "maths": [*MATHS, "alpha gamma theta"]})
    assert causes(before, after) == (
        Cause(CauseKind.UTTERANCE_ADDED, "maths", "alpha gamma theta"),
        Cause(CauseKind.UTTERANCE_REMOVED, "code", NEAR),
    )


@pytest.mark.parametrize(("before", "after", "kind"), [((), (NEAR,), "ADDED"), ((NEAR,), (), "REMOVED")])
def test_a_text_out_of_scope_came_or_went(before: Sequence[str], after: Sequence[str], kind: str) -> None:
    """It sends what resembles it to the fallback, or no longer does; its route is None."""
    both = [revision_of({"code": CODE, "maths": MATHS}, texts) for texts in (before, after)]
    threshold = sum(map(confidence, both)) / 2
    old, new = (revision_of({"code": CODE, "maths": MATHS}, texts, threshold=threshold) for texts in (before, after))
    assert causes(old, new) == (Cause(CauseKind[f"UTTERANCE_{kind}"], None, NEAR),)


def test_an_utterance_that_speaks_against_the_decision_is_no_cause() -> None:
    """An utterance that was added to the route which lost the text explains nothing."""
    before = revision_of({"code": [NEAR, "code words here"], "maths": [*MATHS, "alpha gamma theta"]})
    after = revision_of({"code": ["alpha iota kappa"], "maths": [*MATHS, "alpha gamma theta"]})
    assert causes(before, after) == (Cause(CauseKind.UTTERANCE_REMOVED, "code", NEAR),)


def test_an_earlier_utterance_is_nearest_now() -> None:
    """Where nothing near the text came or went, and yet another route's utterance is nearest, that one is named."""
    before, after = judged_by(BASE, TEXT)[0], judged_by(revision_of({"maths": MATHS, "code": ["far away"]}), TEXT)[0]
    both = revision_of({"code": CODE, "maths": MATHS})
    nearest = tuple(near for near in after.nearest if near.route == "maths")
    found = causes_of(before, replace(after, nearest=nearest), compared(both, both))
    assert found == (Cause(CauseKind.OTHER_NEARER, "maths", nearest[0].text),)


def test_farther_utterances_outvote_the_nearest() -> None:
    """None of the three nearest changed, but many others did: the scores moved, and no single text is blamed."""
    near = [f"{TEXT} x{number}" for number in range(3)]
    vector = HashEmbedder().embed_one(TEXT).vector
    spread = [f"{TEXT} y{number} w{number}" for number in range(200)]
    similarity = {text: float(HashEmbedder().embed_one(text).vector @ vector) for text in (*near, *spread)}
    farther = [text for text in spread if similarity[text] < min(similarity[other] for other in near)]
    farther = sorted(farther, key=lambda text: -similarity[text])[:16]
    before, after = (revision_of({"code": near, "maths": [*MATHS, *texts]}) for texts in ((), farther))
    assert causes(before, after) == (Cause(CauseKind.SCORER_CHANGED),)


# --- Thresholds and maps -------------------------------------------------------------------------------------------

SHIFTED = ConfidenceMap(Calibration.POOLED, -2.0, (8.0, 0.3, 2.0), 100, 0.2)
"""Is surer of everything than the default map."""


def with_map(confidence_map: ConfidenceMap, threshold: float) -> Revision:
    return revision_of({"code": CODE, "maths": MATHS}, confidence_map=confidence_map, threshold=threshold)


LOW, HIGH = confidence(with_map(DEFAULT_MAP, 0.0)), confidence(with_map(SHIFTED, 0.0))


@pytest.mark.parametrize("step", [0.01, -0.01])
def test_the_threshold_changed(step: float) -> None:
    """The same confidence passes one threshold and not the other, in either direction."""
    found = causes(with_map(DEFAULT_MAP, LOW + step), with_map(DEFAULT_MAP, LOW - step))
    assert found == (Cause(CauseKind.THRESHOLD_CHANGED, "code", None, LOW + step, LOW - step),)


def test_the_calibration_changed() -> None:
    """The same threshold is passed by one map's confidence and not by the other's."""
    threshold = (LOW + HIGH) / 2
    found = causes(with_map(DEFAULT_MAP, threshold), with_map(SHIFTED, threshold))
    assert found == (Cause(CauseKind.CALIBRATION_CHANGED, "code", None, LOW, HIGH),)


def test_either_alone_would_have_done_it() -> None:
    """Where map and threshold each suffice, both are told."""
    found = kinds(with_map(DEFAULT_MAP, LOW + 0.01), with_map(SHIFTED, LOW - 0.01))
    assert found == [CauseKind.THRESHOLD_CHANGED, CauseKind.CALIBRATION_CHANGED]


def test_only_both_together_did_it() -> None:
    """Where neither suffices alone, both are told as well."""
    found = kinds(with_map(DEFAULT_MAP, HIGH + 0.1), with_map(SHIFTED, HIGH - 0.01))
    assert found == [CauseKind.THRESHOLD_CHANGED, CauseKind.CALIBRATION_CHANGED]


def test_a_threshold_that_changed_in_vain_is_no_cause() -> None:
    """An utterance that was added makes the route surer; a small change of the threshold beside it is not blamed."""
    after = revision_of({"code": [*CODE, NEAR], "maths": MATHS}, threshold=LOW + 0.2)
    assert causes(with_map(DEFAULT_MAP, LOW + 0.1), after) == (Cause(CauseKind.UTTERANCE_ADDED, "code", NEAR),)


def test_another_kind_of_confidence() -> None:
    """Where the earlier revision has no calibrated confidence and the later one has, the calibration is the cause."""
    none = ConfidenceMap(Calibration.NONE, 0.0, (0.0, 0.0, 0.0), 0, 0.9)
    found = causes(with_map(none, 0.0), with_map(DEFAULT_MAP, 0.0))
    assert found == (Cause(CauseKind.CALIBRATION_CHANGED, "code", None, None, LOW),)


def test_the_similarity_alone_decides() -> None:
    """Where neither revision has a calibrated confidence, what came near is the cause, not the calibration."""
    none = ConfidenceMap(Calibration.NONE, 0.0, (0.0, 0.0, 0.0), 0, 0.5)
    after = revision_of({"code": [*CODE, NEAR], "maths": MATHS}, confidence_map=none)
    assert causes(with_map(none, 0.0), after) == (Cause(CauseKind.UTTERANCE_ADDED, "code", NEAR),)


# --- Routes, models, encoders --------------------------------------------------------------------------------------


def test_the_route_is_new() -> None:
    """A new route and the utterance with which it took the text."""
    after = revision_of({"code": CODE, "maths": MATHS, "trade": [NEAR]})
    assert causes(BASE, after) == (
        Cause(CauseKind.ROUTE_ADDED, "trade"),
        Cause(CauseKind.UTTERANCE_ADDED, "trade", NEAR),
    )


def test_the_route_is_gone() -> None:
    """A removed route is told, and not that its utterances went with it."""
    assert causes(BASE, revision_of({"maths": MATHS})) == (Cause(CauseKind.ROUTE_REMOVED, "code"),)


def test_the_route_has_another_name() -> None:
    """A renamed route is no other route: the name is the cause, and the model where it changed as well."""
    renamed = Cause(CauseKind.ROUTE_RENAMED, "coding", None, "code", "coding")
    after = revision_of({"coding": CODE, "maths": MATHS}, models={"coding": "code"})
    assert causes(BASE, after) == (renamed,)
    other = revision_of({"coding": CODE, "maths": MATHS})
    assert causes(BASE, other) == (renamed, Cause(CauseKind.MODEL_CHANGED, "coding", None, "code", "coding"))


def test_the_model_changed() -> None:
    """The route stays and another model answers."""
    after = revision_of({"code": CODE, "maths": MATHS}, models={"code": "middle"})
    assert causes(BASE, after) == (Cause(CauseKind.MODEL_CHANGED, "code", None, "code", "middle"),)


def test_the_fallback_model_changed() -> None:
    """What falls back as before is answered by another model: the route of the cause is None."""
    before = revision_of({"code": CODE}, threshold=1.0)
    after = revision_of({"code": CODE}, threshold=1.0, fallback_model="huge")
    assert causes(before, after) == (Cause(CauseKind.MODEL_CHANGED, None, None, "big", "huge"),)


def test_the_encoder_changed() -> None:
    """With another encoder nothing near is comparable: it alone is the cause, even where an utterance was added."""
    encoder = replace(HASH_ENCODER, digest="e" * 64, name="other")
    after = revision_of({"code": CODE, "maths": [*MATHS, NEAR]}, encoder=encoder)
    assert causes(BASE, after) == (Cause(CauseKind.ENCODER_CHANGED, None, None, "hash", "other"),)


# --- All at once ---------------------------------------------------------------------------------------------------

words = st.sampled_from(["alpha", "beta", "gamma", "delta", "zeta", "eta"])
texts = st.lists(st.lists(words, min_size=1, max_size=3).map(" ".join), max_size=4)


@st.composite
def revisions(draw: st.DrawFn) -> Revision:
    """A small catalog of any shape: routes come and go, with the texts of one another."""
    names = draw(st.lists(st.sampled_from(["code", "maths", "trade"]), min_size=1, max_size=3, unique=True))
    return revision_of(
        {name: draw(texts) for name in names},
        draw(texts),
        threshold=draw(st.sampled_from([0.0, 0.2, 0.6, 1.0])),
        models={names[0]: draw(st.sampled_from(["big", "middle", "huge"]))},
        fallback_model=draw(st.sampled_from(["big", "huge"])),
        confidence_map=draw(
            st.sampled_from([DEFAULT_MAP, SHIFTED, ConfidenceMap(Calibration.NONE, 0.0, (0.0, 0.0, 0.0), 0, 0.5)])
        ),
        encoder=draw(st.sampled_from([HASH_ENCODER, HASH_ENCODER, replace(HASH_ENCODER, digest="e" * 64)])),
    )


@settings(max_examples=60, deadline=None)
@given(revisions(), revisions())
def test_every_changed_decision_has_a_cause(before: Revision, after: Revision) -> None:
    """Whatever two revisions are, each text in a group is decided otherwise, has a cause, and others have neither."""
    asked = ["alpha beta", "gamma", "delta zeta eta", "unheard of"]
    diff = diff_between(before, after, dict.fromkeys(asked), labelled=False)
    listed = {changed.text: changed for group in diff.groups for changed in group.texts}
    assert diff.changed == len(listed)
    old, new = (
        {judged.case.text.text: (judged.decision.route, judged.decision.model) for judged in judged_by(side, *asked)}
        for side in (before, after)
    )
    assert {text for text in asked if old[text] != new[text]} == listed.keys()
    assert all(changed.causes for changed in listed.values())
