"""Revisions that earlier versions wrote: every later version must read them and decide as they did.

`schema-1` has the vote alone and one map; `schema-1-head` is what `reindex` made with `tests.workshops.workshop` of
four routes of 25 utterances and 30 texts out of scope: a head, two maps, offsets, a threshold and a target of routes'
own; `schema-1-codes` is of four routes of 150 utterances, whose index is of codes. `schema-2` has rules of each kind,
selections, fallbacks and an escalation limit, which a program that reads the first schema alone must not pass over.
`schema-3` is the same with budgets, breakers, arms and a shadow, which one that reads the second must not pass over.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fingerpost.backends.index.engines import ENGINES
from fingerpost.build.report import read_report
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition
from fingerpost.serve.calibrate import judge
from fingerpost.serve.decide import decide
from fingerpost.serve.plan import Plan
from fingerpost.serve.revision_format import MANIFEST, SCHEMA_VERSION, decode, digest_of, encode
from fingerpost.serve.score import score
from fingerpost.serve.search import Space, find
from fingerpost.types import (
    Arm,
    BreakerRules,
    Budget,
    BudgetOf,
    BudgetPer,
    Experiment,
    GuardedMeasure,
    Guardrail,
    Text,
    WhenSpent,
)
from tests.fakes import HashEmbedder
from tests.revisions import study_of

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
KINDS = {engine.kind: engine for engine in ENGINES}


@pytest.mark.fault("S9")
@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("schema-1*")), ids=lambda folder: folder.name)
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
        judgement = judge(score(found, revision.exemplars, decider.vote, decider.blend), decider)
        decision = decide(judgement, Plan.of(decider))
        assert (decision.outcome, decision.route, decision.model) == (case["outcome"], case["route"], case["model"])
        # A head is read in single precision, whose last digits depend on the machine.
        assert decision.confidence == pytest.approx(case["confidence"], abs=1e-4 if revision.head else 1e-6)


@pytest.mark.fault("S9")
@pytest.mark.parametrize("name", ["schema-2", "schema-3"])
def test_golden_rules_and_selections_decide_as_they_did(name: str) -> None:
    """Since the second schema: each rule, selection and fallback gives what was recorded with it."""
    digest, files = files_of(GOLDEN / name)
    recorded = json.loads((GOLDEN / name / "decisions.json").read_text(encoding="utf-8"))
    texts = [Text(case["text"], "decisions.json", number) for number, case in enumerate(recorded, 1)]
    opinions = study_of(decode(digest, files)).opinions(texts)
    for case, decision in zip(recorded, (opinion.decision for opinion in opinions), strict=True):
        assert (decision.outcome, decision.route, decision.model) == (case["outcome"], case["route"], case["model"])
        assert [list(decision.rules), list(decision.fallback_models)] == [case["rules"], case["fallback_models"]]
        assert decision.confidence == pytest.approx(case["confidence"], abs=1e-4)


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
        "schema-3": "faiss-flat-ip",
        "schema-2": "faiss-flat-ip",
        "schema-1": "faiss-flat-ip",
        "schema-1-head": "faiss-flat-ip",
        "schema-1-codes": "faiss-codes-ip",
    }


@pytest.mark.parametrize(("folder", "kind"), [("schema-1-head", None), ("schema-1-codes", "faiss-codes-ip")])
def test_a_report_tells_its_index_since_there_are_kinds(folder: str, kind: str | None) -> None:
    """The report of a revision that measured its index names it; an older one is read as it is."""
    report = read_report(next((GOLDEN / folder).glob("*/report.json")).read_bytes())
    assert (report.index.kind if report.index else None) == kind


def test_each_revision_is_of_the_oldest_schema_that_has_all_of_it() -> None:
    """A program that knows no rules, or no budgets, refuses what has some, and reads every other one as before."""
    schemas = {
        path.name: json.loads(next(path.glob("*/manifest.json")).read_text())["schema_version"]
        for path in GOLDEN.iterdir()
    }
    assert schemas == {"schema-1": 1, "schema-1-head": 1, "schema-1-codes": 1, "schema-2": 2, "schema-3": 3}
    _, files = files_of(GOLDEN / "schema-2")
    decider = json.loads(files["decider.json"])
    assert {rule["name"] for rule in decider["policy"]["rules"]} == {"traces", "gold", "stays", "careful"}
    assert {route["selection"]["mode"] for route in decider["routes"]} == {"best_value", "weighted", "cheapest"}


def test_budgets_breakers_and_experiments_are_of_the_third_schema() -> None:
    """Amounts, bands and digests are read to the last digit."""
    digest, files = files_of(GOLDEN / "schema-3")
    earlier, _ = files_of(GOLDEN / "schema-2")
    policy = decode(digest, files).decider.policy
    assert [(one.name, one.of, one.limit_usd_micros, one.hard) for one in policy.budgets] == [
        ("support", BudgetOf.TENANT, 25_000_000, True),
        ("everything", BudgetOf.CATALOG, 900_000_001, False),
        ("letters", BudgetOf.ROUTE, 1_500_000, False),
        ("dear", BudgetOf.MODEL, 5_000_000, True),
    ]
    assert policy.breakers == BreakerRules(3, 0.25, 10, 30, 10, 300, 0.4, 20)
    split, shadow = policy.experiments
    assert split.arms == (Arm("control", 90.0), Arm("small", 10.0, "middle"))
    assert split.guardrails[1] == Guardrail(GuardedMeasure.COST_USD, max=0.02, min=0.0001)
    assert (shadow.shadow, shadow.share) == (earlier, 10.0)


def test_a_revision_that_has_none_of_them_keeps_its_bytes() -> None:
    """What earlier versions made of the same decider, and so its digest, stays."""
    digest, files = files_of(GOLDEN / "schema-2")
    known = decode(digest, files)
    parts = (known.encoder, known.exemplars, known.index_kind, known.index_bytes, known.head, known.decider)
    assert encode(*parts, files["report.json"]) == files


@pytest.mark.parametrize(
    "change",
    [
        {"budgets": (Budget("b", BudgetOf.MODEL, BudgetPer.DAY, 1, WhenSpent.ALERT, ("gone",)),)},
        {"budgets": (Budget("b", BudgetOf.ROUTE, BudgetPer.DAY, 1, WhenSpent.ALERT, ("gone",)),)},
        {"experiments": (Experiment("e", "gone", arms=(Arm("a", 50), Arm("b", 50))),)},
        {"experiments": (Experiment("e", "code", arms=(Arm("a", 50), Arm("b", 50, "gone"))),)},
    ],
)
def test_what_names_what_is_not_there_is_refused(change: dict[str, Any]) -> None:
    """A budget or an arm for a route or model that the revision has not is damage."""
    digest, files = files_of(GOLDEN / "schema-3")
    known = decode(digest, files)
    decider = dataclasses.replace(known.decider, policy=dataclasses.replace(known.decider.policy, **change))
    parts = (known.encoder, known.exemplars, known.index_kind, known.index_bytes, known.head, decider)
    written = encode(*parts, files["report.json"])
    with pytest.raises(DataLoss, match="do not fit together"):
        decode(digest_of(written[MANIFEST]), written)


def test_a_revision_without_a_head_has_the_vote_alone() -> None:
    """What an older revision does not say is read as what it meant."""
    [stored] = [path for path in (GOLDEN / "schema-1").iterdir() if path.is_dir()]
    revision = decode(stored.name, {path.name: path.read_bytes() for path in stored.iterdir()})
    decider = revision.decider
    assert (revision.head, decider.scope_map, decider.promise, decider.blend) == (None, None, None, 1.0)
    assert (decider.confidence_map.route_offsets, decider.confidence_map.fitted_routes) == ((), ())


# --- Versions of the program beside each other ------------------------------------------------------------------------


def files_of(folder: Path) -> tuple[str, dict[str, bytes]]:
    [stored] = [path for path in folder.iterdir() if path.is_dir()]
    return stored.name, {path.name: path.read_bytes() for path in stored.iterdir()}


BY_NAME = {
    "models",
    "files",
    "metrics",
    "confusions",
    "settings",
    "at_share",
    "weights",
    "quality",
    "0.05",
    "0.2",
    "0.5",
}
"""Fields whose keys are names, not fields."""

GIVEN_UP = {("/learned_from", str)}
"""Fields that earlier versions wrote and have a default for when they read."""


def with_more(value: Any, *, named: bool = False) -> Any:
    """The same with a field more in every object, as a later version would write it."""
    if isinstance(value, list):
        return [with_more(each) for each in value]
    if not isinstance(value, dict):
        return value
    more = {} if named else {"since_a_later_version": {"what": ["this program does not know"]}}
    return {**{key: with_more(each, named=key in BY_NAME) for key, each in value.items()}, **more}


def resealed(files: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """The files of a later version: more fields everywhere, a file more, and a manifest that fits them."""
    later = dict(files)
    for name in ("decider.json", "report.json"):
        later[name] = json.dumps(with_more(json.loads(files[name]))).encode()
    rows = [json.dumps(with_more(json.loads(line))).encode() for line in files["exemplars.jsonl"].splitlines()]
    later["exemplars.jsonl"] = b"".join(row + b"\n" for row in rows)
    later["later.bin"] = b"of a later version"
    manifest = with_more(json.loads(files[MANIFEST]))
    for name in later.keys() - {MANIFEST}:
        entry = {"sha256": digest_of(later[name]), "bytes": len(later[name])}
        manifest["files"][name] = {**manifest["files"].get(name, {}), **entry}
    later[MANIFEST] = json.dumps(manifest).encode()
    return digest_of(later[MANIFEST]), later


def paths(value: Any, at: str = "") -> Iterator[tuple[str, type]]:
    """Every field of a document with its kind."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, f"{at}/{key}")
    elif isinstance(value, list):
        yield at, list
        for number, each in enumerate(value):
            yield from paths(each, f"{at}/{number}")
    elif value is not None:  # what may be absent has no kind
        yield at, float if isinstance(value, int) and not isinstance(value, bool) else type(value)


@pytest.mark.fault("D11")
@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("schema-*")), ids=lambda folder: folder.name)
def test_what_a_later_version_adds_is_passed_over(folder: Path) -> None:
    """Fields and files that this program does not know change nothing of what it reads, wherever they stand."""
    digest, files = files_of(folder)
    later_digest, later = resealed(files)
    assert later_digest != digest
    known, read = decode(digest, files), decode(later_digest, later)
    assert read.decider == known.decider
    assert read.exemplars == known.exemplars
    assert (read.encoder, read.index_kind, read.index_bytes) == (known.encoder, known.index_kind, known.index_bytes)
    if "learned" in json.loads(files["report.json"]):
        assert dataclasses.asdict(read_report(later["report.json"])) == dataclasses.asdict(
            read_report(files["report.json"])
        )


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("schema-*")), ids=lambda folder: folder.name)
def test_an_earlier_version_finds_all_that_it_knows(folder: Path) -> None:
    """What this program writes has every field that earlier ones wrote, with the same kind and value."""
    digest, files = files_of(folder)
    known = decode(digest, files)
    written = encode(
        known.encoder,
        known.exemplars,
        known.index_kind,
        known.index_bytes,
        known.head,
        known.decider,
        files["report.json"],
    )
    for name in ("decider.json", MANIFEST):
        before, after = (json.loads(each[name]) for each in (files, written))
        assert set(paths(before)) - GIVEN_UP <= set(paths(after))
    rows = [[json.loads(line) for line in each["exemplars.jsonl"].splitlines()] for each in (files, written)]
    assert rows[0] == rows[1]
    assert decode(digest_of(written[MANIFEST]), written).decider == known.decider
    assert set(files) <= {*written, "trained_linears.npy"}


def test_what_this_program_must_not_pass_over_says_so() -> None:
    """A change of meaning is another schema version, which is refused with what to do."""
    _, files = files_of(GOLDEN / "schema-1")
    manifest = {**json.loads(files[MANIFEST]), "schema_version": SCHEMA_VERSION + 1}
    later = {**files, MANIFEST: json.dumps(manifest).encode()}
    with pytest.raises(FailedPrecondition, match="update") as caught:
        decode(digest_of(later[MANIFEST]), later)
    assert caught.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE
