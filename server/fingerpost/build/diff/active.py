"""Diff with what was active: which decisions does a reindex change? Bounded, since a person waits for it."""

from collections.abc import Callable, Sequence

from fingerpost.build.diff.changes import compared
from fingerpost.build.diff.diff import Diff, diff_of
from fingerpost.build.diff.texts import Texts, evenly
from fingerpost.build.judging import Judged
from fingerpost.build.study import Study
from fingerpost.errors import FingerpostError
from fingerpost.types import Revision

MOST_TEXTS = 1_000
"""Texts that are compared at most: about a second."""

MOST_TEXTS_ANEW = 300
"""Likewise where the earlier revision has another encoder, which may have to embed each of them."""


def diff_with(
    earlier: str, now: Revision, texts: Texts, judged: Sequence[Judged], open_study: Callable[[str], Study]
) -> tuple[Diff | None, str]:
    """What changed since an earlier revision, or None and a sentence that says why that cannot be told.

    Args:
        earlier: Digest.
        now: What took its place.
        texts: n texts; of more than `MOST_TEXTS` as many are taken, evenly picked.
        judged: What is decided for them now, n.
        open_study: Opens the earlier revision.
    """
    try:
        study = open_study(earlier)
        most = MOST_TEXTS if study.revision.encoder.digest == now.encoder.digest else MOST_TEXTS_ANEW
        asked = texts.sample(most)
        before = study.judge(asked.cases)
    except (FingerpostError, OSError) as error:
        return None, f"Not compared with revision {earlier[:12]}, which was active: {error}"
    return diff_of(compared(study.revision, now), asked, before, evenly(judged, most)), ""
