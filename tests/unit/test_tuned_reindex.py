"""A reindex with a tuned encoder: it is served, and only texts that its tuning never saw tell how good it is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.build.reindex import Reindexed, reindex
from fingerpost.engine_ports import OpenEncoder, Tuned
from fingerpost.serve.revision_format import decode
from fingerpost.types import Embedded, EncoderId, TuningVerdict
from tests.fakes import DIM, HashEmbedder, MemoryCache
from tests.unit.test_reindex import folder_of, utterances
from tests.workshops import workshop

ROUTES = {route: utterances(route, 40) for route in ("code", "maths", "poems", "trade", "travel")}
BETTER = TuningVerdict(True, "better on unseen texts", 64, 0.8, 0.9, 0.9, 0.9)
WORSE = TuningVerdict(False, "not better on unseen texts", 64, 0.8, 0.7, 0.9, 0.9)


class OtherEmbedder(HashEmbedder):
    """The same words in other directions: another encoder."""

    def __init__(self, digest: str, shift: int) -> None:
        self.id = digest
        self._shift = shift

    def embed_one(self, text: str) -> Embedded:
        plain = super().embed_one(text)
        return replace(plain, vector=np.roll(plain.vector, self._shift))


def opened(digest: str, shift: int) -> OpenEncoder:
    return OpenEncoder(EncoderId(digest, "hash-tuned", DIM, 256), "fp32", (OtherEmbedder(digest, shift),))


class StandInTuner:
    """Holds back every other text of all routes but one, which it leaves out."""

    def __init__(self, verdict: TuningVerdict) -> None:
        self.verdict = verdict
        self.served, self.proof = opened("a" * 64, 1), opened("b" * 64, 2)
        self.judged_count = self.outside_count = 0

    def __call__(self, texts: Sequence[str], routes: Sequence[int]) -> tuple[TuningVerdict, Tuned | None]:
        if not self.verdict.accepted:
            return self.verdict, None
        numbers = np.array(routes)
        outside = numbers == numbers.max()
        judged = ~outside & (np.arange(len(texts)) % 2 == 0)
        self.judged_count, self.outside_count = int(judged.sum()), int(outside.sum())
        return self.verdict, Tuned(self.served, self.proof, judged, outside)


def tuned(folder: Path, tuner: StandInTuner) -> Reindexed:
    shop = replace(workshop(folder, MemoryCache()), tune=tuner)
    return reindex(folder_of(folder / "routes", ROUTES), "default", shop)


def test_a_better_encoder_serves_and_is_judged_by_the_proof(tmp_path: Path) -> None:
    """The revision names the served encoder; maps and threshold rest on the held-back texts alone, by the proof one."""
    tuner = StandInTuner(BETTER)
    made = tuned(tmp_path, tuner)
    digest = made.activation.revision
    revision = decode(digest, FileRevisionStore(tmp_path / "revisions").read(digest))
    assert revision.encoder == tuner.served.encoder
    assert made.report.tuning == BETTER
    assert revision.decider.confidence_map.sample_count == tuner.judged_count
    assert tuner.outside_count == len(ROUTES["travel"])
    assert made.report.held_out is not None
    assert made.report.held_out.texts == tuner.judged_count
    assert revision.head is not None
    own = tuner.served.embedders[0].embed([exemplar.text for exemplar in revision.exemplars])
    best = (own @ revision.head.linear[:-1] + revision.head.linear[-1]).argmax(axis=1)
    assert float((best == [exemplar.route for exemplar in revision.exemplars]).mean()) > 0.9


def test_a_refused_encoder_changes_nothing(tmp_path: Path) -> None:
    """When the plain encoder is better the revision is the one without tuning, but for what the report says of it."""
    made = tuned(tmp_path / "tuned", StandInTuner(WORSE))
    plain = reindex(
        folder_of(tmp_path / "plain" / "routes", ROUTES), "default", workshop(tmp_path / "plain", MemoryCache())
    )
    assert made.report.tuning == WORSE
    assert replace(made.report, tuning=None) == plain.report
