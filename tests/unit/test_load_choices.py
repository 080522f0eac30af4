"""Route folders with rules, selections and limits: read as written, and told what does not work."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fingerpost.build.load import load
from fingerpost.types import Demands, EscalationLimit, RuleStage, Selection, SelectionMode
from tests.route_folders import findings_of, places, write_folder

MODELS = """\
models:
  - name: coder
    input_price_usd_micros: 100
    output_price_usd_micros: 300
    capabilities: [tools]
    regions: [eu]
    quality: {code: 0.8, default: 0.5}
  - name: strong
    input_price_usd_micros: 900
    output_price_usd_micros: 2700
    quality: {default: 0.9}
    tier: strong
"""

POLICY = """\
fallback_model: strong
fallback_chain: [coder]
escalation: {max_share: 0.25, window_seconds: 30, min_decisions: 5}
rules:
  before:
    - name: traces
      when: text.contains("Traceback")
      route: code
      continue: true
    - name: stays
      when: has(metadata.data) && metadata.data == "secret"
      require: {regions: [eu], models: [coder], languages: [de]}
      forbid: {capabilities: [tools]}
      final: true
      expect:
        - {text: x, metadata: {data: secret}, time: "2026-07-01T10:00:00+02:00"}
  after:
    - {name: sure, when: confidence < 0.5, min_confidence: 0.75}
"""

ROUTE = """\
models: [coder, strong]
selection: {mode: best_value, cost_weight: 0.5, task: code, quality_floor: 0.2, output_tokens: 50, switch_margin: 0.1}
fallback: []
utterances: [reverse a linked list]
"""


def folder(path: Path, **files: str) -> Path:
    given = {"_models.yaml": MODELS, "_policy.yaml": POLICY, "code.yaml": ROUTE}
    return write_folder(path, {**given, **{f"{name}.yaml": text for name, text in files.items()}})


def test_all_of_it_is_read(tmp_path: Path) -> None:
    """Each key becomes what it says, rules before similarity first."""
    loaded = load(folder(tmp_path))
    [route] = loaded.catalog.routes
    assert (route.model, route.models) == ("coder", ("coder", "strong"))
    assert route.selection == Selection(SelectionMode.BEST_VALUE, {}, "code", 0.2, 0.5, 50, 0.1)
    policy = loaded.catalog.policy
    assert policy.escalation == EscalationLimit(0.25, 30, 5)
    assert [(rule.name, rule.stage, rule.goes_on, rule.final) for rule in policy.rules] == [
        ("traces", RuleStage.BEFORE, True, False),
        ("stays", RuleStage.BEFORE, False, True),
        ("sure", RuleStage.AFTER, False, False),
    ]
    assert policy.rules[1].demands == Demands(
        allowed=(frozenset({"coder"}),),
        regions=(frozenset({"eu"}),),
        languages=frozenset({"de"}),
        forbidden_capabilities=frozenset({"tools"}),
    )
    assert policy.rules[2].min_confidence == 0.75
    [example] = loaded.rules[1].examples
    assert example.facts["time"] == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_a_model_of_its_own_is_no_choice(tmp_path: Path) -> None:
    """One model under `models` is the same as `model`."""
    [route] = load(folder(tmp_path, code="models: [coder]\nutterances: [sort]\n")).catalog.routes
    assert (route.model, route.models, route.selection) == ("coder", (), Selection())


PRICELESS = "models: [{name: coder, quality: {default: 1.0}}, {name: strong, quality: {code: 1.0}}]\n"
UNMEASURED = MODELS.replace("    quality: {default: 0.9}\n", "")


@pytest.mark.fault("U12")
@pytest.mark.parametrize(
    ("mode", "models", "code"),
    [
        ("cheapest", "models: [{name: coder}, {name: strong}]\n", "FP333"),
        (
            "best_value",
            "models: [{name: coder, quality: {default: 1.0}}, {name: strong, quality: {default: 1.0}}]\n",
            "FP333",
        ),
        ("best_value", UNMEASURED, "FP334"),
        ("fastest", MODELS, "FP335"),
    ],
)
def test_what_a_choice_needs_is_never_taken_for_nothing(tmp_path: Path, mode: str, models: str, code: str) -> None:
    """A price, quality or latency that is missing stops the reindex, at the line of the selection."""
    route = f"models: [coder, strong]\nselection: {{mode: {mode}}}\nutterances: [sort a list]\n"
    files = {"code": route, "_models": models, "_policy": "fallback_model: strong\n"}
    assert places(folder(tmp_path, **files)) == [(code, "code.yaml", 2)]


WEIGHTED = "models: [coder, strong]\nselection: {mode: weighted, weights: {coder: 100}}\nutterances: [sort]\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"code": "utterances: [sort]\n"}, [("FP202", "code.yaml", 1)]),
        ({"code": "model: coder\nmodels: [strong]\nutterances: [sort]\n"}, [("FP331", "code.yaml", 2)]),
        ({"code": "models: [coder, coder]\nutterances: [sort]\n"}, [("FP331", "code.yaml", 1)]),
        ({"code": "models: [coder, gone]\nutterances: [sort]\n"}, [("FP303", "code.yaml", 1)]),
        ({"code": "model: coder\nfallback: [gone]\nutterances: [sort]\n"}, [("FP303", "code.yaml", 2)]),
        ({"code": "model: coder\nfallback: [coder]\nutterances: [sort]\n"}, [("FP336", "code.yaml", 2)]),
        ({"code": "model: coder\nfallback: [strong, strong]\nutterances: [sort]\n"}, [("FP336", "code.yaml", 2)]),
        (
            {"code": WEIGHTED},
            [("FP332", "code.yaml", 2)],
        ),
        (
            {"code": "models: [coder, strong]\nselection: {mode: dearest}\nutterances: [sort]\n"},
            [("FP208", "code.yaml", 2)],
        ),
        ({"_policy": "fallback_model: strong\nfallback_chain: [strong]\n"}, [("FP336", "_policy.yaml", 2)]),
        ({"_policy": "fallback_model: strong\nescalation: {max_share: 0.5}\n"}, [("FP337", "_policy.yaml", 2)]),
        ({"_policy": POLICY.replace("route: code", "route: cod")}, [("FP327", "_policy.yaml", 8)]),
        ({"_policy": POLICY.replace("regions: [eu]", "regions: [mars]")}, [("FP327", "_policy.yaml", 12)]),
        ({"_policy": POLICY.replace("capabilities: [tools]", "capabilities: [fly]")}, [("FP327", "_policy.yaml", 13)]),
        ({"_policy": POLICY.replace("confidence < 0.5", "route == 'cod'")}, [("FP327", "_policy.yaml", 18)]),
        ({"_policy": POLICY.replace("2026-07-01T10:00:00+02:00", "tomorrow")}, [("FP203", "_policy.yaml", 16)]),
        ({"_policy": POLICY.replace("name: sure", "name: traces")}, [("FP326", "_policy.yaml", 18)]),
        ({"_policy": POLICY.replace("min_confidence: 0.75", "min_confidence: 75")}, [("FP205", "_policy.yaml", 18)]),
        ({"_policy": POLICY.replace('== "secret"', "== 1")}, [("FP323", "_policy.yaml", 11)]),
        ({"_policy": POLICY.replace("data: secret}", "data: [secret]}")}, [("FP204", "_policy.yaml", 16)]),
    ],
)
def test_what_does_not_work_is_told_with_its_place(
    tmp_path: Path, files: dict[str, str], found: list[tuple[str, str, int]]
) -> None:
    """Each by itself, with code, file and line, and nothing else beside it."""
    assert places(folder(tmp_path, **files)) == found


@pytest.mark.parametrize(
    ("expect", "word"),
    [
        ("{text: hi, metadata: {data: open}}", "should hold for 'hi', and it does not"),
        ("{text: hi, metadata: {data: secret}, holds: false}", "should not hold for 'hi', and it does"),
    ],
)
def test_examples_are_tried(tmp_path: Path, expect: str, word: str) -> None:
    """A rule that does otherwise than its example says is an error at the example's line."""
    policy = POLICY.replace('{text: x, metadata: {data: secret}, time: "2026-07-01T10:00:00+02:00"}', expect)
    [finding] = findings_of(folder(tmp_path, _policy=policy))
    assert (finding.code, finding.file, finding.line) == ("FP329", "_policy.yaml", 16)
    assert word in finding.message


@pytest.mark.parametrize(
    ("when", "expect", "word"),
    [
        ("int(metadata.age) > 3", "{text: hi, metadata: {age: old}, holds: false}", "cannot be converted"),
        ("metadata.age == '3'", "{text: hi, holds: false}", "key of metadata is missing"),
        ("confidence > 0.5", "{text: hi}", "does not give: confidence"),
    ],
)
def test_an_example_without_a_value_is_told(tmp_path: Path, when: str, expect: str, word: str) -> None:
    """Whichever way it should come out: a rule that fails on its own example is not meant so."""
    rule = f'{{name: r, when: "{when}", model: coder, expect: [{expect}]}}'
    policy = f"fallback_model: strong\nrules:\n  after:\n    - {rule}\n"
    [finding] = findings_of(folder(tmp_path, _policy=policy))
    assert finding.code == "FP329"
    assert word in finding.message
