"""Result: what do the exemplars say of a text? All that is pure, from embed to calibrate, and so may be kept."""

from dataclasses import dataclass

from fingerpost.serve.calibrate import judge, surest
from fingerpost.serve.runtime import Snapshot
from fingerpost.serve.score import score
from fingerpost.types import Decider, Found, Judgement, Retrieval, Scores

_BYTES, _NEIGHBOUR_BYTES = 1_280, 104  # of Python's objects, measured; see tests/unit/test_cache.py


@dataclass(frozen=True, slots=True)
class Result:
    """A text's vectors, neighbours, scores and judgement under one revision."""

    retrieval: Retrieval
    scores: tuple[Scores, ...]  # of each of the retrieval's views
    found: Found  # of the view that decides
    judgement: Judgement  # likewise, at the revision's own share of out-of-scope texts

    def judged_at(self, out_of_scope_share: float, decider: Decider) -> tuple[Found, Judgement]:
        """The deciding view and its judgement at another share."""
        return _surest(self.retrieval, self.scores, decider, out_of_scope_share)

    @property
    def size_bytes(self) -> int:
        """About what it occupies."""
        retrieval = self.retrieval
        vectors = 1 + len(retrieval.embedded.ends if retrieval.embedded else ())
        text = len(retrieval.embedded.text) if retrieval.embedded else 0
        views = sum(
            _NEIGHBOUR_BYTES * (len(found.neighbours) + len(found.proposed))
            + (0 if found.reading is None else found.reading.probabilities.nbytes)
            for found in retrieval.found
        )
        return _BYTES + text + vectors * retrieval.vector.nbytes + views


def result_of(retrieval: Retrieval, snapshot: Snapshot) -> Result:
    """Score and judge what was found under a snapshot."""
    decider = snapshot.decider
    scores = tuple(score(found, snapshot.exemplars, decider.vote, decider.blend) for found in retrieval.found)
    return Result(retrieval, scores, *_surest(retrieval, scores, decider, None))


def _surest(
    retrieval: Retrieval, scores: tuple[Scores, ...], decider: Decider, share: float | None
) -> tuple[Found, Judgement]:
    judged = [judge(one, decider, share, foreign=retrieval.foreign) for one in scores]
    return surest(list(zip(retrieval.found, judged, strict=True)))
