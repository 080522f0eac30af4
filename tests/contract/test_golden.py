"""Revisions that earlier versions wrote: every later version must read them and decide as they did.

`schema-1` has the vote alone and one map; `schema-1-head` is what `reindex` made with `tests.fakes.workshop` of four
routes of 25 utterances and 30 texts out of scope: a head, two maps, offsets, a threshold and a target of routes' own;
`schema-1-codes` is of four routes of 150 utterances, whose index is of codes.
"""

import json
from pathlib import Path

import pytest

from fingerpost.backends.index.engines import ENGINES
from fingerpost.build.report import read_report
from fingerpost.serve.calibrate import judge
from fingerpost.serve.decide import decide
from fingerpost.serve.revision_format import decode
from fingerpost.serve.score import score
from fingerpost.serve.search import Space, find
from tests.fakes import HashEmbedder

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
KINDS = {engine.kind: engine for engine in ENGINES}


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("schema-*")), ids=lambda folder: folder.name)
def test_a_golden_revision_decides_as_it_did(folder: Path) -> None:
    """The stored revision is read, verified, and gives the decisions that were recorded with it."""
    [stored] = [path for path in folder.iterdir() if path.is_dir()]
    revision = decode(stored.name, {path.name: path.read_bytes() for path in stored.iterdir()})
    index, decider = KINDS[revision.index_kind].open(revision.index_bytes), revision.decider
    recorded = json.loads((folder / "decisions.json").read_text(encoding="utf-8"))
    assert len(recorded) > 3
    for case in recorded:
        vector = HashEmbedder().embed_one(case["text"]).vector
        found = find(Space.of(index, revision.exemplars, revision.head), vector, decider.vote.neighbours)
        decision = decide(judge(score(found, revision.exemplars, decider.vote, decider.blend), decider), decider)
        assert (decision.outcome, decision.route, decision.model) == (case["outcome"], case["route"], case["model"])
        # A head is read in single precision, whose last digits depend on the machine.
        assert decision.confidence == pytest.approx(case["confidence"], abs=1e-4 if revision.head else 1e-6)


def test_there_are_golden_revisions() -> None:
    """Revisions are stored without and with a head, and with either index that catalogs of usual sizes have."""
    stored = {folder.name: {path.name for path in folder.glob("*/*")} for folder in GOLDEN.iterdir()}
    assert "head_linear.npy" not in stored["schema-1"]
    assert {"head_linear.npy", "head_metric.npy", "head_distances.npy"} <= stored["schema-1-head"]
    kinds = {
        folder.name: json.loads(next(folder.glob("*/manifest.json")).read_text())["index_kind"]
        for folder in GOLDEN.iterdir()
    }
    assert kinds == {
        "schema-1": "faiss-flat-ip",
        "schema-1-head": "faiss-flat-ip",
        "schema-1-codes": "faiss-codes-ip",
    }


@pytest.mark.parametrize(("folder", "kind"), [("schema-1-head", None), ("schema-1-codes", "faiss-codes-ip")])
def test_a_report_tells_its_index_since_there_are_kinds(folder: str, kind: str | None) -> None:
    """The report of a revision that measured its index names it; an older one is read as it is."""
    report = read_report(next((GOLDEN / folder).glob("*/report.json")).read_bytes())
    assert (report.index.kind if report.index else None) == kind


def test_a_revision_without_a_head_has_the_vote_alone() -> None:
    """What an older revision does not say is read as what it meant."""
    [stored] = [path for path in (GOLDEN / "schema-1").iterdir() if path.is_dir()]
    revision = decode(stored.name, {path.name: path.read_bytes() for path in stored.iterdir()})
    decider = revision.decider
    assert (revision.head, decider.scope_map, decider.promise, decider.blend) == (None, None, None, 1.0)
    assert (decider.confidence_map.route_offsets, decider.confidence_map.fitted_routes) == ((), ())
