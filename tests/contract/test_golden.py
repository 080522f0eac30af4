"""Revisions that earlier versions wrote: every later version must read them and decide as they did."""

import json
from pathlib import Path

import pytest

from fingerpost.backends.faiss_flat import FaissFlatEngine
from fingerpost.serve.calibrate import judge
from fingerpost.serve.decide import decide
from fingerpost.serve.revision_format import decode
from fingerpost.serve.score import score
from fingerpost.serve.search import find
from tests.fakes import HashEmbedder

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("schema-*")), ids=lambda folder: folder.name)
def test_a_golden_revision_decides_as_it_did(folder: Path) -> None:
    """The stored revision is read, verified, and gives the decisions that were recorded with it."""
    [stored] = [path for path in folder.iterdir() if path.is_dir()]
    revision = decode(stored.name, {path.name: path.read_bytes() for path in stored.iterdir()})
    index, decider = FaissFlatEngine().open(revision.index_bytes), revision.decider
    recorded = json.loads((folder / "decisions.json").read_text(encoding="utf-8"))
    assert len(recorded) > 3
    for case in recorded:
        vector = HashEmbedder().embed_one(case["text"]).vector
        found = find(index, revision.exemplars, revision.head, vector, decider.vote.neighbours)
        decision = decide(judge(score(found, revision.exemplars, decider.vote, decider.blend), decider), decider)
        assert (decision.outcome, decision.route, decision.model) == (case["outcome"], case["route"], case["model"])
        assert decision.confidence == pytest.approx(case["confidence"], abs=1e-6)


def test_there_is_a_golden_revision() -> None:
    """The folder of stored revisions is not empty."""
    assert list(GOLDEN.glob("schema-*"))
