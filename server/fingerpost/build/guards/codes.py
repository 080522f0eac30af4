"""What can be wrong with budgets (FP34x), breakers (FP35x) and experiments (FP36x, FP37x).

Codes and examples keep the rules of `finding_codes`. The examples name revisions that no store has, and the tests take
all of them but `UNKNOWN` for stored.
"""

from fingerpost.build.finding_kinds import Files, Kind, registry_of
from fingerpost.types import Severity

UNKNOWN = "deadbeef" * 8
_REVISION = "5eed" * 16
_OTHER = "cafe" * 16

_PRICES = "    input_price_usd_micros: {}\n    output_price_usd_micros: {}\n"
_CODER = "  - name: coder\n" + _PRICES.format(150_000, 600_000)
_STRONG = "  - name: strong\n" + _PRICES.format(3_000_000, 15_000_000)


def _budgets(*entries: str, strong: str = _STRONG) -> Files:
    lines = "".join(f"  - {{{entry}}}\n" for entry in entries)
    return {
        "_policy.yaml": f"fallback_model: strong\nbudgets:\n{lines}",
        "_models.yaml": f"models:\n{_CODER}{strong}",
    }


def _experiments(*entries: str) -> Files:
    return {"_policy.yaml": "fallback_model: strong\nexperiments:\n" + "".join(entries)}


def _split(*arms: str, keys: str = "route: code", name: str = "smaller", more: str = "") -> str:
    lines = "".join(f"      - {{{arm}}}\n" for arm in arms)
    where = f"    {keys}\n" if keys else ""
    return f"  - name: {name}\n{where}    arms:\n{lines}{more}"


def _shadow(keys: str, name: str = "next") -> str:
    return f"  - {{name: {name}, {keys}}}\n"


_CONTROL, _SMALL = "name: control, weight: 90", "name: small, weight: 10, model: strong"
_TWO = (_CONTROL, _SMALL)

# --- FP34x: budgets -----------------------------------------------------------------------------------------------

BUDGET_TWICE = Kind(
    "FP341",
    "Two budgets have one name",
    "Accounts, replies and reports tell budgets by their names. Rename one.",
    bad=_budgets("name: all, of: catalog, per: day, limit: 50", "name: all, of: catalog, per: month, limit: 900"),
    good=_budgets(
        "name: daily, of: catalog, per: day, limit: 50", "name: monthly, of: catalog, per: month, limit: 900"
    ),
)
BUDGET_CURRENCY = Kind(
    "FP342",
    "A budget is in another currency",
    "Prices of models are US dollars, and nothing is converted: a rate that is out of date would let more be spent "
    "than the limit. Give the limit in dollars.",
    bad=_budgets("name: all, of: catalog, per: day, limit: 50, currency: EUR"),
    good=_budgets("name: all, of: catalog, per: day, limit: 55, currency: USD"),
)
BUDGET_AMOUNT = Kind(
    "FP343",
    "A limit is finer than a micro-dollar",
    "Money is counted in whole micro-dollars, so that no sum is ever rounded. Write at most six decimals.",
    bad=_budgets("name: all, of: catalog, per: hour, limit: 0.0000015"),
    good=_budgets("name: all, of: catalog, per: hour, limit: 0.015"),
)
BUDGET_SPENT = Kind(
    "FP344",
    "when_spent does not fit the budget",
    "A soft budget never refuses: `alert` or `downgrade`. A hard one (`hard: true`) is never overspent: `refuse` or "
    "`cheapest`. Change `hard` or `when_spent`.",
    bad=_budgets("name: all, of: catalog, per: day, limit: 50, when_spent: refuse"),
    good=_budgets("name: all, of: catalog, per: day, limit: 50, hard: true, when_spent: refuse"),
)
BUDGET_ONLY = Kind(
    "FP345",
    "A catalog's budget is limited by names",
    "A budget of the catalog has one account, for all requests. `only` names routes, models or tenants: take `of: "
    "route`, `of: model` or `of: tenant`, or leave it out.",
    bad=_budgets("name: all, of: catalog, per: day, limit: 50, only: [code]"),
    good=_budgets("name: all, of: route, per: day, limit: 50, only: [code]"),
)
BUDGET_REFERENCE = Kind(
    "FP346",
    "A budget is for what is not there",
    "In a budget of routes `only` names routes of this folder, in one of models entries of `_models.yaml`. Mend the "
    "name. Tenants are not looked up.",
    bad=_budgets("name: coding, of: route, per: day, limit: 50, only: [coding]"),
    good=_budgets("name: coding, of: route, per: day, limit: 50, only: [code]"),
)
BUDGET_PRICE = Kind(
    "FP347",
    "A budget needs a price that is missing",
    "Where there are budgets, each model that may answer (of a route, a fallback, a rule or an arm) needs its input "
    "and output price: what it costs could not be counted. An unknown price is not zero: write "
    "`input_price_usd_micros` and `output_price_usd_micros`, 0 for a model that costs nothing.",
    bad=_budgets("name: all, of: catalog, per: day, limit: 50", strong="  - name: strong\n"),
    good=_budgets("name: all, of: catalog, per: day, limit: 50"),
)

# --- FP35x: breakers ----------------------------------------------------------------------------------------------

BREAKER_COOL_DOWN = Kind(
    "FP351",
    "The longest cool-down is under the first",
    "A model is left alone for `cool_down_seconds`, doubled each time that a trial fails, up to "
    "`max_cool_down_seconds` (by default 30 and 600). Raise the one or lower the other.",
    bad={"_policy.yaml": "fallback_model: strong\nbreakers: {cool_down_seconds: 900}\n"},
    good={"_policy.yaml": "fallback_model: strong\nbreakers: {cool_down_seconds: 900, max_cool_down_seconds: 3600}\n"},
)

# --- FP36x: experiments -------------------------------------------------------------------------------------------

EXPERIMENT_TWICE = Kind(
    "FP361",
    "Two experiments have one name",
    "Replies and reports tell experiments by their names, and reports of the two would be taken for one. Rename one.",
    bad=_experiments(_split(*_TWO, name="next"), _shadow(f"shadow: {_REVISION}")),
    good=_experiments(_split(*_TWO), _shadow(f"shadow: {_REVISION}")),
)
EXPERIMENTS_OVERLAP = Kind(
    "FP362",
    "Two experiments split the same requests",
    "What one does would be taken for an effect of the other. A route has one experiment, and one without `route` "
    "splits the requests of all routes. End one first, or give it another route. Shadows do not count.",
    bad=_experiments(_split(*_TWO), _split(*_TWO, name="again")),
    good=_experiments(_split(*_TWO), _shadow(f"shadow: {_REVISION}")),
)
EXPERIMENT_ARMS = Kind(
    "FP363",
    "An experiment has fewer than two arms",
    "Arms are compared with the first of them, so at least two are needed; the first is most often without model and "
    "revision, as requests are answered today. To try a revision that never serves, give `shadow` in place of arms.",
    bad=_experiments(_split("name: small, weight: 100, model: strong")),
    good=_experiments(_split(*_TWO)),
)
ARM_TWICE = Kind(
    "FP364",
    "Two arms have one name",
    "Replies and reports tell arms by their names. Rename one.",
    bad=_experiments(_split("name: a, weight: 50", "name: a, weight: 50, model: strong")),
    good=_experiments(_split("name: a, weight: 50", "name: b, weight: 50, model: strong")),
)
ARM_WEIGHTS = Kind(
    "FP365",
    "Weights of arms do not add up",
    "`weight` is the arm's per cent of the units; those of all arms of an experiment are 100 together.",
    bad=_experiments(_split(_CONTROL, "name: small, weight: 20, model: strong")),
    good=_experiments(_split(*_TWO)),
)
ARM_MISFIT = Kind(
    "FP366",
    "An arm does not fit its experiment",
    "In an experiment of a route an arm may have a `model`, which answers in place of the route's own; in one of all "
    "requests it may have a `revision`, which decides in place of the one in force. Give the experiment a `route`, or "
    "take it away.",
    bad=_experiments(_split(*_TWO, keys="")),
    good=_experiments(_split(_CONTROL, f"name: next, weight: 10, revision: {_REVISION}", keys="")),
)
EXPERIMENT_REFERENCE = Kind(
    "FP367",
    "An experiment names what is not there",
    "`route` names a route of this folder, and `model` of an arm an entry of `_models.yaml`. Mend the name.",
    bad=_experiments(_split(*_TWO, keys="route: coding")),
    good=_experiments(_split(*_TWO)),
)
REVISION_DIGEST = Kind(
    "FP368",
    "A revision is not given by its digest",
    "A revision is named by 64 lower-case hexadecimal digits, not by their beginning: `fingerpost revisions --json` "
    "tells them.",
    bad=_experiments(_shadow(f"shadow: {_REVISION[:12]}")),
    good=_experiments(_shadow(f"shadow: {_REVISION}")),
)
REVISION_UNKNOWN = Kind(
    "FP369",
    "A revision is not stored",
    "An arm or a shadow needs a revision that this data folder has, or the place that it shares with others. Only a "
    "reindex can know that; `lint` does not look. `fingerpost revisions` lists what is there.",
    bad=_experiments(_shadow(f"shadow: {UNKNOWN}")),
    good=_experiments(_shadow(f"shadow: {_REVISION}")),
)
EXPERIMENT_KEYS = Kind(
    "FP370",
    "Keys of an experiment do not fit together",
    "A shadow decides a `share` of all requests and serves none: it has no `arms`, `guardrails`, `route` or `unit`. An "
    "experiment with arms has no `share`: their weights are 100 together.",
    bad=_experiments(_split(*_TWO, more=f"    shadow: {_REVISION}\n")),
    good=_experiments(_split(*_TWO), _shadow(f"shadow: {_REVISION}, share: 20")),
)
GUARDRAIL_BAND = Kind(
    "FP371",
    "A guardrail has no band",
    "A guardrail has `max`, `min` or both, and `min` is not over `max`. Shares lie between 0 and 1.",
    bad=_experiments(_split(*_TWO, more="    guardrails: [{of: error_share}]\n")),
    good=_experiments(_split(*_TWO, more="    guardrails: [{of: error_share, max: 0.1}]\n")),
)
ARMS_ALIKE = Kind(
    "FP372",
    "Two arms of an experiment do the same",
    "They have the same model or revision, or none, or the route's own model: a difference between them is chance. "
    "That may be meant, to see how much chance there is; else give one of them another model.",
    bad=_experiments(_split(_CONTROL, "name: small, weight: 10")),
    good=_experiments(_split(*_TWO)),
    severity=Severity.WARNING,
)

REGISTRY = registry_of(dict(globals()))
