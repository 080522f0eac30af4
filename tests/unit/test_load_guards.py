"""Policies with budgets, breakers and experiments: read as written, and told what does not work."""

from dataclasses import replace
from pathlib import Path

import pytest

from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.load import load
from fingerpost.build.reindex import reindex
from fingerpost.types import (
    Arm,
    BreakerRules,
    Budget,
    BudgetOf,
    BudgetPer,
    Experiment,
    ExperimentUnit,
    GuardedMeasure,
    Guardrail,
    WhenSpent,
)
from tests.fakes import MemoryCache
from tests.route_folders import findings_of, places, write_folder
from tests.workshops import workshop

MODELS = """\
models:
  - {name: coder, input_price_usd_micros: 100, output_price_usd_micros: 300}
  - {name: strong, input_price_usd_micros: 900, output_price_usd_micros: 2700}
  - {name: coder-small, input_price_usd_micros: 10, output_price_usd_micros: 30}
"""

DIGEST = "5eed" * 16

POLICY = f"""\
fallback_model: strong
budgets:
  - name: support
    of: tenant
    per: day
    limit: 25.00
    currency: USD
    hard: true
    when_spent: cheapest
    only: [acme, globex, acme]
  - {{name: all, of: catalog, per: month, limit: 1000000000}}
  - {{name: code, of: route, per: hour, limit: 0.000001, when_spent: downgrade, only: [code]}}
  - {{name: dear, of: model, per: hour, limit: 0.1, hard: true, only: [strong]}}
breakers:
  consecutive_failures: 3
  failure_share: 1
  max_ejected_share: 0
experiments:
  - name: smaller-coder
    route: code
    unit: session
    arms:
      - {{name: control, weight: 90}}
      - {{name: small, weight: 10, model: coder-small}}
    guardrails:
      - {{of: error_share, max: 0.1}}
      - {{of: cost_usd, max: 2, min: 0.02}}
  - name: next
    shadow: {DIGEST}
    share: 10
"""

ROUTE = "model: coder\nutterances: [reverse a linked list]\n"


def folder(path: Path, **files: str) -> Path:
    given = {"_models.yaml": MODELS, "_policy.yaml": POLICY, "code.yaml": ROUTE}
    return write_folder(path, {**given, **{f"{name}.yaml": text for name, text in files.items()}})


def test_all_of_it_is_read(tmp_path: Path) -> None:
    """Each key becomes what it says, dollars become micro-dollars, and what is left out has its default."""
    loaded = load(folder(tmp_path))
    policy = loaded.catalog.policy
    assert policy.budgets == (
        Budget("support", BudgetOf.TENANT, BudgetPer.DAY, 25_000_000, WhenSpent.CHEAPEST, ("acme", "globex")),
        Budget("all", BudgetOf.CATALOG, BudgetPer.MONTH, 10**15, WhenSpent.ALERT),
        Budget("code", BudgetOf.ROUTE, BudgetPer.HOUR, 1, WhenSpent.DOWNGRADE, ("code",)),
        Budget("dear", BudgetOf.MODEL, BudgetPer.HOUR, 100_000, WhenSpent.REFUSE, ("strong",)),
    )
    assert [budget.hard for budget in policy.budgets] == [True, False, False, True]
    assert policy.breakers == replace(BreakerRules(), consecutive_failures=3, failure_share=1.0, max_ejected_share=0.0)
    assert policy.experiments == (
        Experiment(
            "smaller-coder",
            "code",
            ExperimentUnit.SESSION,
            (Arm("control", 90.0), Arm("small", 10.0, "coder-small")),
            (
                Guardrail(GuardedMeasure.ERROR_SHARE, max=0.1),
                Guardrail(GuardedMeasure.COST_USD, max=2.0, min=0.02),
            ),
        ),
        Experiment("next", shadow=DIGEST, share=10.0),
    )
    assert [(text.text, text.line) for text in loaded.revisions] == [(DIGEST, 29)]
    assert findings_of(tmp_path) == ()


def test_without_them_nothing_is_guarded(tmp_path: Path) -> None:
    """Models without prices are fine where no budget counts them."""
    policy = load(write_folder(tmp_path, {"code.yaml": ROUTE})).catalog.policy
    assert (policy.budgets, policy.breakers, policy.experiments) == ((), BreakerRules(), ())


SPLIT = "experiments: [{name: e, route: code, arms: [{name: a, weight: 50}, {name: b, weight: 50, model: strong}]"
OTHER = "{name: f, arms: [{name: a, weight: 50}, {name: b, weight: 50, revision: " + DIGEST + "}]}"


def budget(**keys: str) -> str:
    given = {"name": "b", "of": "tenant", "per": "day", "limit": "5"} | keys
    return "budgets: [{" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}]"


def split(*arms: str, **keys: str) -> str:
    given = {"name": "e", "route": "code", "arms": "[{" + "}, {".join(arms) + "}]"} | keys
    return "experiments: [{" + ", ".join(f"{key}: {value}" for key, value in given.items() if value) + "}]"


TWO = ("name: a, weight: 50", "name: b, weight: 50, model: strong")


@pytest.mark.parametrize(
    ("lines", "code", "word"),
    [
        (budget(limit="0"), "FP205", "more than 0"),
        (budget(limit="-1"), "FP205", "more than 0"),
        (budget(limit="1000000000.000001"), "FP205", "at most"),
        (budget(limit=".nan"), "FP206", ""),
        (budget(limit="0.0000001"), "FP343", "six decimals"),
        (budget(limit="999999999.1234567"), "FP343", "six decimals"),
        (budget(limit="1e-7"), "FP343", "six decimals"),
        (budget(currency="EUR"), "FP342", "'EUR'"),
        (budget(currency="usd"), "FP342", "'usd'"),
        (budget(when_spent="refuse"), "FP344", "alert or downgrade"),
        (budget(when_spent="cheapest"), "FP344", "alert or downgrade"),
        (budget(hard="true", when_spent="alert"), "FP344", "refuse or cheapest"),
        (budget(hard="true", when_spent="downgrade"), "FP344", "refuse or cheapest"),
        (budget(of="catalog", only="[code]"), "FP345", "of the catalog"),
        (budget(of="route", only="[code, coder]"), "FP346", "no route is called 'coder'"),
        (budget(of="model", only="[code]"), "FP346", "no model is called 'code'"),
        (budget(only="[]"), "FP203", "at least one"),
        (budget(only=f"[{', '.join(f't{n}' for n in range(257))}]"), "FP209", "at most 256"),
        (budget(only="[5]"), "FP204", "quotes"),
        (budget(per="week"), "FP208", "'hour', 'day' or 'month'"),
        ("breakers: {cool_down_seconds: 601}", "FP351", "max_cool_down_seconds 600"),
        ("breakers: {max_cool_down_seconds: 29}", "FP351", "cool_down_seconds is 30"),
        ("breakers: {failure_share: 1.5}", "FP205", "at most 1"),
        ("breakers: []", "FP203", "keys with values"),
        (f"{SPLIT}}}, {{name: e, shadow: {DIGEST}}}]", "FP361", "is taken"),
        (f"{SPLIT}}}, {OTHER}]", "FP362", "all requests"),
        (f"experiments: [{OTHER}, {SPLIT.removeprefix('experiments: [')}}}]", "FP362", "all requests"),
        (f"{SPLIT}}}, {SPLIT.removeprefix('experiments: [').replace('name: e', 'name: g')}}}]", "FP362", "'code'"),
        ("experiments: [{name: e}]", "FP363", "no arms"),
        (split("name: a, weight: 100"), "FP363", "1 arm:"),
        (split("name: a, weight: 50", "name: a, weight: 50, model: strong"), "FP364", "is taken"),
        (split("name: a, weight: 50", "name: b, weight: 49.9, model: strong"), "FP365", "99.9"),
        (split(*TWO, route=""), "FP366", "give it a route"),
        (split(TWO[0], f"name: b, weight: 50, revision: {DIGEST}"), "FP366", "take route away"),
        (split(*TWO, route="cod"), "FP367", "no route is called 'cod'"),
        (split(TWO[0], "name: b, weight: 50, model: strange"), "FP367", "no model is called 'strange'"),
        ("experiments: [{name: e, shadow: 5eed}]", "FP368", "64"),
        (f"experiments: [{{name: e, shadow: {DIGEST.upper()}}}]", "FP368", "lower-case"),
        (f"experiments: [{{name: e, shadow: {DIGEST}0}}]", "FP368", "64"),
        (f"experiments: [{{name: e, shadow: '{'0' * 63}\\n'}}]".replace("'", '"'), "FP368", "64"),
        (split(*TWO, shadow=DIGEST), "FP370", "arms means nothing"),
        (f"experiments: [{{name: e, shadow: {DIGEST}, unit: request}}]", "FP370", "unit means nothing"),
        (f"experiments: [{{name: e, shadow: {DIGEST}, route: code}}]", "FP370", "route means nothing"),
        (f"experiments: [{{name: e, shadow: {DIGEST}, guardrails: []}}]", "FP370", "guardrails means nothing"),
        (split(*TWO, share="100"), "FP370", "no shadow"),
        (split(*TWO, guardrails="[{of: cost_usd}]"), "FP371", "without max and min"),
        (split(*TWO, guardrails="[{of: cost_usd, min: 2, max: 1}]"), "FP371", "over its max"),
        (split(*TWO, guardrails="[{of: error_share, max: 10}]"), "FP371", "at most 1"),
        (split(*TWO, guardrails=f"[{', '.join(['{of: cost_usd, max: 1}'] * 9)}]"), "FP209", "at most 8"),
        (split(*(f"name: a{n}, weight: 1" for n in range(17))), "FP209", "at most 16"),
        (split(TWO[0], "name: b, weight: 50"), "FP372", "'a' and 'b'"),
        (split(TWO[0], "name: b, weight: 50, model: coder"), "FP372", "'a' and 'b'"),
    ],
)
def test_what_does_not_work_is_told_alone(tmp_path: Path, lines: str, code: str, word: str) -> None:
    """Each mistake has one finding, at its line, which says what to do."""
    [found] = findings_of(folder(tmp_path, _policy=f"fallback_model: strong\n{lines}\n"))
    assert (found.code, found.file, found.line) == (code, "_policy.yaml", 2)
    assert word in found.message


def test_each_key_has_its_line(tmp_path: Path) -> None:
    """Several mistakes are told at once, each where it is to be mended."""
    policy = (
        POLICY.replace("USD", "CHF").replace("limit: 0.1,", "limit: 0.00000001,").replace("weight: 90", "weight: 9")
    )
    policy = policy.replace("globex, acme]", "globex]").replace("[strong]", "[weak]").replace("max: 0.1", "min: 2")
    assert places(folder(tmp_path, _policy=policy)) == [
        ("FP342", "_policy.yaml", 7),
        ("FP343", "_policy.yaml", 13),
        ("FP365", "_policy.yaml", 22),
        ("FP371", "_policy.yaml", 26),
    ]


@pytest.mark.fault("U12")
@pytest.mark.parametrize(
    ("more", "priceless"),
    [
        ("fallback_chain: [m]", True),
        ("rules: {before: [{name: r, when: tokens > 5, model: m}]}", True),
        ("rules: {before: [{name: r, when: tokens > 5, require: {models: [m]}}]}", True),
        (split("name: a, weight: 50", "name: b, weight: 50, model: m"), True),
        ("rules: {before: [{name: r, when: tokens > 5, forbid: {models: [m]}}]}", False),
        ("scorer: auto", False),
    ],
)
def test_an_unknown_price_is_never_taken_for_zero(tmp_path: Path, more: str, priceless: bool) -> None:
    """With a budget, a model that may answer needs both prices; one that may not needs none."""
    models = f"{MODELS}  - {{name: m, input_price_usd_micros: 0}}\n"
    files = {"_models": models, "_policy": f"fallback_model: strong\n{budget()}\n{more}\n"}
    assert places(folder(tmp_path, **files)) == ([("FP347", "_models.yaml", 5)] if priceless else [])
    for route in ("model: m", "models: [coder, m]", "model: coder\nfallback: [m]"):
        again = folder(tmp_path, **files, code=f"{route}\nutterances: [sort]\n")
        assert ("FP347", "_models.yaml", 5) in places(again)


def test_names_are_not_looked_up_in_a_folder_of_which_a_part_is_missing(tmp_path: Path) -> None:
    """A route file that cannot be read raises its own finding alone."""
    policy = POLICY.replace("only: [code]", "only: [sql]").replace("route: code", "route: sql")
    found = places(folder(tmp_path, _policy=policy, sql="model: coder\nutterance: [a]\n"))
    assert found == [("FP201", "sql.yaml", 2)]


# --- Revisions that are not stored --------------------------------------------------------------------------------


def test_a_revision_must_be_stored(tmp_path: Path) -> None:
    """A reindex publishes nothing whose arm or shadow it has not, and goes on once it has."""
    shop = workshop(tmp_path, MemoryCache())
    first = reindex(folder(tmp_path / "routes", _policy="fallback_model: strong\n"), "default", shop)
    routes = folder(tmp_path / "routes")
    with pytest.raises(RouteFilesInvalid) as caught:
        reindex(routes, "default", shop)
    [finding] = caught.value.findings
    assert (finding.code, finding.file, finding.line) == ("FP369", "_policy.yaml", 29)
    assert len(list((tmp_path / "revisions").glob("[!.]*"))) == 1
    held = POLICY.replace(DIGEST, first.activation.revision)
    assert reindex(folder(tmp_path / "routes", _policy=held), "default", shop).changed
