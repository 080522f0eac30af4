"""Names: every metric that the server exposes, in one table; docs/reference/metrics.md is made from it."""

from dataclasses import dataclass
from enum import StrEnum

from fingerpost.types import MEASURE_BOUNDS


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table."""

    name: str  # as it is exposed; a counter's ends in _total
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()  # upper bounds, of a histogram


_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0)

_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

CALLS = Metric("fingerpost_calls_total", _C, ("method", "code"), "Calls answered or refused, by gRPC code.")
CALL_SECONDS = Metric("fingerpost_call_seconds", _H, ("method",), "Time of a call in the server.", _SECONDS)
REFUSALS = Metric(
    "fingerpost_refusals_total",
    _C,
    ("cause",),
    "Requests refused by overload: in_flight, queue, tenant or deadline; or by wrong tokens before: attempts.",
)
CALLERS = Metric(
    "fingerpost_refused_callers_total",
    _C,
    ("cause",),
    "Callers refused: nothing_shown, no_bearer, no_access_file, token_malformed, token_unknown, token_wrong, "
    "token_not_yet_valid, token_expired, certificate_unknown, user_unknown, attempts, or role.",
)
DECISIONS = Metric("fingerpost_decisions_total", _C, ("catalog", "outcome"), "Decisions, batch items each for itself.")
REASONS = Metric("fingerpost_reasons_total", _C, ("catalog", "reason"), "Reasons that decisions gave.")
MODELS = Metric("fingerpost_models_total", _C, ("catalog", "model"), "Decisions by the model that should answer.")
SKIPS = Metric(
    "fingerpost_skipped_models_total", _C, ("catalog", "reason"), "Models that were passed over, by what kept them."
)
RULES = Metric(
    "fingerpost_rules_total",
    _C,
    ("catalog", "rule", "result"),
    "Rules that took effect, and rules without a value for a request: effect or failed; a final one counts in both.",
)
LOGGED = Metric(
    "fingerpost_decision_log_rows_total",
    _C,
    ("result",),
    "Rows of the decision log: written, late (more than could be written in time) or disk (it refused).",
)
DEGRADED = Metric("fingerpost_degraded_total", _C, ("catalog", "reason"), "Decisions without the full path.")
COVERAGE = Metric(
    "fingerpost_coverage_ratio", _G, ("catalog",), "Share of about the last 1,000 decisions made by the full path."
)
OUT_OF_SCOPE = Metric(
    "fingerpost_out_of_scope_ratio", _G, ("catalog",), "Share of about the last 1,000 texts that was out of scope."
)
EXPECTED_OUT_OF_SCOPE = Metric(
    "fingerpost_expected_out_of_scope_ratio", _G, ("catalog",), "The share that the active revision expects."
)
STAGE_SECONDS = Metric(
    "fingerpost_stage_seconds", _H, ("stage",), "Time of a stage: queue, embed, search, decide.", _SECONDS
)
SIMILARITY = Metric("fingerpost_similarity", _H, ("catalog",), "Similarity of the best route.", MEASURE_BOUNDS)
MARGIN = Metric("fingerpost_margin", _H, ("catalog",), "Confidence of the best route above the second.", MEASURE_BOUNDS)
CONFIDENCE = Metric("fingerpost_confidence", _H, ("catalog",), "Confidence of the best route.", MEASURE_BOUNDS)
EXPECTED = Metric(
    "fingerpost_expected_ratio",
    _G,
    ("catalog", "measure", "le"),
    "Share of the held-out texts of the active revision at or under `le`, for similarity, margin and confidence.",
)
CACHE_LOOKUPS = Metric(
    "fingerpost_cache_lookups_total", _C, ("result",), "Texts looked up in the cache: hit, miss, or shared with a miss."
)
CACHE_BYTES = Metric("fingerpost_cache_bytes", _G, (), "About what the cache occupies.")
CACHE_ENTRIES = Metric("fingerpost_cache_entries", _G, (), "Results in the cache.")
IN_FLIGHT = Metric("fingerpost_in_flight_requests", _G, (), "Requests being decided.")
QUEUE_JOBS = Metric("fingerpost_queue_jobs", _G, (), "Texts that wait for an embedding thread.")
QUEUE_AGE = Metric("fingerpost_queue_oldest_seconds", _G, (), "How long the first of them has waited.")
LOOP_LAG = Metric(
    "fingerpost_event_loop_lag_seconds", _H, (), "How late the event loop ran what was due, ten times a second.",
    (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
)  # fmt: skip
LOOP_STALLS = Metric("fingerpost_event_loop_stalls_total", _C, (), "Times that it was later than 200 ms.")
ENGINE_RESTARTS = Metric(
    "fingerpost_engine_restarts_total", _C, (), "Times that the engine process, which embeds and searches, was lost."
)
REVISION = Metric(
    "fingerpost_active_revision_info",
    _G,
    ("catalog", "revision", "encoder", "precision"),
    "1 for the revision that each catalog serves.",
)
GENERATION = Metric("fingerpost_active_generation", _G, ("catalog",), "Generation of the active pointer.")
REFUSED_RELOADS = Metric(
    "fingerpost_refused_reloads_total", _C, ("catalog",), "Activations that could not be served; the last good one is."
)
LEDGER_AGE = Metric(
    "fingerpost_ledger_age_seconds", _G, (), "Since the last look at the ledger of several machines; +Inf before any."
)
LEDGER_STALE = Metric(
    "fingerpost_ledger_stale", _G, (), "1 while it cannot be looked at: what is served may have been replaced."
)
LEDGER_FAILURES = Metric("fingerpost_ledger_failures_total", _C, (), "Looks at it that failed.")
SHARED_ARTEFACTS = Metric(
    "fingerpost_shared_artefacts_total",
    _C,
    ("kind", "result"),
    "Revisions and encoders that were fetched from the shared place, refused as they came, or put in quarantine.",
)
BUDGET_ALERTS = Metric(
    "fingerpost_budget_alerts_total",
    _C,
    ("catalog", "budget", "percent"),
    "Accounts of a budget that reached 50, 80 or 100 percent of their limit, each counted once in its window.",
)
ALERT_DELIVERIES = Metric(
    "fingerpost_alert_deliveries_total",
    _C,
    ("result",),
    "Alerts by webhook: delivered, failed (tried again later) or given_up.",
)

REPORTS = Metric(
    "fingerpost_reports_total",
    _C,
    ("catalog", "model", "status"),
    "Outcomes that callers reported, repeats aside; of models that the catalog does not know as `other`.",
)
REPORTED_COST = Metric("fingerpost_reported_cost_usd_total", _C, ("catalog", "model"), "What these cost, US dollars.")
REPORTED_TOKENS = Metric(
    "fingerpost_reported_tokens_total", _C, ("catalog", "model", "direction"), "Tokens of these: input and output."
)
REPORTED_SECONDS = Metric(
    "fingerpost_reported_call_seconds",
    _H,
    ("catalog", "model"),
    "Time that models took to answer, as callers reported it.",
    (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0),
)
VERDICTS = Metric("fingerpost_verdicts_total", _C, ("catalog", "model", "verdict"), "Verdicts that callers reported.")
REPORTS_IN_LINE = Metric("fingerpost_reports_in_line", _G, (), "Reports that wait to be written.")
OUTBOX_ROWS = Metric(
    "fingerpost_outbox_reports", _G, (), "Reports that wait on this machine until the ledger of several is back."
)
BREAKERS = Metric(
    "fingerpost_breaker_open",
    _G,
    ("catalog", "model"),
    "1 while a model is left alone because its calls fail or somebody said so, 0.5 while it is tried, else 0.",
)
BUDGET_USED = Metric(
    "fingerpost_budget_used_share",
    _G,
    ("catalog", "budget", "holder"),
    "Share of the limit that is reported or reserved in the running window, as far as this server knows; of tenants' "
    "budgets the greatest, without a holder.",
)
BUDGET_LIMIT = Metric(
    "fingerpost_budget_limit_usd", _G, ("catalog", "budget", "holder"), "The limit in force; of tenants' the smallest."
)
ARM_DECISIONS = Metric(
    "fingerpost_arm_decisions_total", _C, ("catalog", "experiment", "arm"), "Decisions by the arm of an experiment."
)
ARM_STOPPED = Metric(
    "fingerpost_arm_stopped", _G, ("catalog", "experiment", "arm"), "1 while an arm is stopped, by whatever, else 0."
)
SHADOWS = Metric(
    "fingerpost_shadow_decisions_total",
    _C,
    ("catalog", "experiment", "result"),
    "Decisions of shadows: same, other_route, other_model (of the same route), or dropped for want of time.",
)

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them. Beside them prometheus_client tells memory, CPU time and descriptors: of the process that answers as
`process_...`, of the engine as `fingerpost_engine_process_...`."""

ENGINE_PREFIX = "fingerpost_engine"

SPANS = {
    "fingerpost.v1.RouterService/Route": "A call, and likewise each other method; child of the caller's span.",
    "queue": "Waiting for an embedding thread.",
    "embed": "Spelling, tokenising and the encoder.",
    "search": "The index and the trained head.",
    "decide": "Score, calibrate and decide, on the event loop.",
}
"""Names of spans; the last four are children of a call that decided one request."""

SPAN_ATTRIBUTES = {
    "rpc.system": "grpc",
    "rpc.service": "Service of the call.",
    "rpc.method": "Method of the call.",
    "rpc.grpc.status_code": "Number of its gRPC code.",
    "fingerpost.request_id": "Its request id.",
    "fingerpost.catalog": "Catalog that decided.",
    "fingerpost.revision": "Revision that decided.",
    "fingerpost.decision_id": "The decision's id.",
    "fingerpost.outcome": "Its outcome.",
    "fingerpost.route": "Its route, where there is one.",
    "fingerpost.model": "Its model.",
    "fingerpost.cached": "Whether the pure result came from the cache.",
    "fingerpost.degraded": "Whether it was made without the full path.",
}
