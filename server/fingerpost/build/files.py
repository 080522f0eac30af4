"""The shapes of the route files, as people write them; descriptions become the JSON Schemas' for editors."""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from fingerpost.build.finding_kinds import Kind
from fingerpost.build.texts import MAX_TEXT_BYTES, prose_fault, text_fault
from fingerpost.types import BreakerRules

MAX_TEXTS = 100_000
MAX_MODELS = 10_000  # that a list of them names
MAX_RULES = 200  # of a stage
MAX_BUDGETS = 15  # as many as the id of a decision can name
MAX_HOLDERS = 256  # that a budget names
MAX_EXPERIMENTS = 32
MAX_ARMS = 16  # of an experiment
MAX_GUARDRAILS = 8  # of an experiment
MAX_USD = 1_000_000_000
NAME = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]{0,126}[^\s\x00-\x1f\x7f-\x9f])?$"
_MAX_INTEGER = 2**63 - 1  # what the wire and the databases hold


def _checked(fault_of: Callable[[str], tuple[Kind, str] | None]) -> AfterValidator:
    """Refuses a string with the finding's code as pydantic's error type."""

    def check(text: str) -> str:
        if fault := fault_of(text):
            raise PydanticCustomError(fault[0].code, "{message}", {"message": fault[1]})
        return text.strip()

    return AfterValidator(check)


_text_schema = WithJsonSchema({"type": "string", "pattern": r"\S", "maxLength": MAX_TEXT_BYTES})
_prose_schema = WithJsonSchema({"type": "string", "maxLength": MAX_TEXT_BYTES})

RouteText = Annotated[str, _checked(text_fault), _text_schema]
Prose = Annotated[str, _checked(prose_fault), _prose_schema]
Label = RouteText
Name = Annotated[str, Field(pattern=NAME)]
WholeNumber = Annotated[int, Field(ge=0, le=_MAX_INTEGER)]
PositiveNumber = Annotated[int, Field(ge=1, le=_MAX_INTEGER)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
Calls = Annotated[int, Field(ge=1, le=1_000_000)]
Digest = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"})]  # checked where it has a place
Currency = Annotated[str, WithJsonSchema({"type": "string", "enum": ["USD"]})]  # likewise
Texts = Annotated[list[RouteText], Field(max_length=MAX_TEXTS)]
Labels = Annotated[list[Name], Field(max_length=MAX_MODELS)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def fits_name(name: str) -> bool:
    return re.fullmatch(NAME[1:-1], name) is not None


class SelectionEntry(_Shape):
    """How a route chooses among its models."""

    mode: Literal["fixed", "weighted", "cheapest", "fastest", "best_value"] = Field(
        "fixed",
        description="fixed takes the first that fits, weighted draws by session or request, cheapest and fastest go by "
        "_models.yaml, best_value takes the greatest quality less cost_weight times the cost.",
    )
    weights: dict[Name, Percent] = Field(
        default={}, description="For weighted: per cent of the requests for each of the models, 100 together."
    )
    task: Label | None = Field(
        None, description="The family of tasks whose quality counts; by default the route's name, else default."
    )
    quality_floor: Share = Field(0.0, description="Models under it are passed over, unless all are.")
    cost_weight: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = Field(
        0.0,
        description="For best_value: quality points that a dollar per thousand requests must bring. 0 is all quality, "
        "0.01 to 1 weigh both, 1000 is all cost.",
    )
    output_tokens: WholeNumber = Field(0, description="Tokens of a usual answer, for its cost; by default 300.")
    switch_margin: Share = Field(
        0.0,
        description="A session keeps its model unless another gains more than this: quality points for best_value, the "
        "share of cost or time that is saved for cheapest and fastest.",
    )


class RouteFile(_Shape):
    """A named kind of request and the model that should answer it."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["model"]}, {"required": ["models"]}]})

    name: Name | None = Field(None, description="Name of the route; by default the file's name without its end.")
    description: Prose = Field("", description="What requests belong here; the scorer learns from it as well.")
    model: Name | None = Field(None, description="The model that should answer: a name in _models.yaml.")
    models: Annotated[list[Name], Field(min_length=1, max_length=MAX_MODELS)] | None = Field(
        None, description="Instead of model: several to choose from, as selection says."
    )
    selection: SelectionEntry | None = Field(None, description="How one of the models is chosen.")
    fallback: Labels = Field(
        default=[], description="Models to try after the route's own, before the policy's fallback."
    )
    target_precision: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = Field(
        None, description="The share of this route's decisions that should be right; by default the policy's."
    )
    min_confidence: Share | None = Field(
        None,
        description="Confidence under which the fallback answers; by default chosen at reindex for the precision.",
    )
    utterances: Texts = Field(default=[], description="Example requests; they are embedded and indexed.")
    utterances_file: Prose | None = Field(
        None, description="A file beside this one with more utterances: .jsonl, .csv or .txt."
    )
    tests: Texts = Field(default=[], description="Requests that must come here; held out, never embedded.")


class ModelEntry(_Shape):
    """A model that routes may name."""

    name: Name = Field(description="The name that routes and replies use.")
    upstream_model: Prose | None = Field(None, description="The provider's id for the model; by default the name.")
    provider: Prose = Field("", description="Who serves it.")
    endpoint: Prose = Field("", description="Base URL of its API.")
    description: Prose = Field("", description="What it is good at, for people.")
    input_price_usd_micros: WholeNumber | None = Field(
        None, description="Micro-dollars per million input tokens: 150000 is 0.15 dollars."
    )
    output_price_usd_micros: WholeNumber | None = Field(
        None, description="Micro-dollars per million output tokens: 600000 is 0.60 dollars."
    )
    cached_input_price_usd_micros: WholeNumber | None = Field(
        None, description="The same of input that the provider still has in its prompt cache."
    )
    context_window_tokens: PositiveNumber | None = Field(
        None, description="Tokens of request and answer that fit in; a request that does not passes the model over."
    )
    max_output_tokens: PositiveNumber | None = Field(None, description="Tokens that an answer may have.")
    capabilities: list[Label] = Field(default=[], description="What it can do, such as tools, json, vision.")
    languages: list[Language] = Field(
        default=[], description="Two-letter codes (ISO 639-1) of the languages that it is good at; by default any."
    )
    regions: list[Label] = Field(default=[], description="Where it runs, such as eu or us-east-1; by default anywhere.")
    quality: dict[Name, Share] = Field(
        default={},
        description="How well it answers, 0 to 1, by family of tasks; the family default stands for all others.",
    )
    latency_p50_ms: WholeNumber | None = Field(None, description="Typical time to answer, in milliseconds.")
    latency_p95_ms: WholeNumber | None = Field(None, description="The same, of the slowest answer in twenty.")
    requests_per_minute: PositiveNumber | None = Field(None, description="Requests that its provider allows.")
    tokens_per_minute: PositiveNumber | None = Field(None, description="Tokens that its provider allows.")
    tier: Literal["cheap", "middle", "strong"] | None = Field(None, description="Quality tier.")


class ModelsFile(_Shape):
    """The models that routes may name."""

    models: list[ModelEntry] = Field(min_length=1, max_length=MAX_MODELS, description="One entry a model.")


class Wanted(_Shape):
    """What a rule requires of a model."""

    models: Labels = Field(default=[], description="One of these must answer.")
    capabilities: Labels = Field(default=[], description="It must have all of these.")
    regions: Labels = Field(default=[], description="It must run in one of these, or name no region.")
    languages: Annotated[list[Language], Field(max_length=MAX_MODELS)] = Field(
        default=[], description="It must be good at all of these, or name no language."
    )


class Unwanted(_Shape):
    """What a rule forbids."""

    models: Labels = Field(default=[], description="None of these may answer.")
    capabilities: Labels = Field(default=[], description="No model that has one of these may answer.")


class ExampleEntry(_Shape):
    """A request on which a rule is tried at reindex."""

    text: Prose = Field("", description="What is asked.")
    metadata: dict[str, str] = Field(default={}, description="Facts that come with it.")
    tenant: str = Field("", description="Who asks.")
    language: Language | None = Field(None, description="Two-letter code; by default it is detected.")
    tokens: WholeNumber | None = Field(None, description="By default a quarter of the bytes of the text.")
    turns: PositiveNumber = Field(1, description="Turns of the conversation.")
    time: str = Field(
        "2026-01-05T12:00:00Z", description="When, as RFC 3339 has it, in quotes; by default a Monday noon."
    )
    route: Name | None = Field(None, description="The best route, for a rule after similarity.")
    confidence: Share | None = Field(None, description="Its confidence.")
    margin: Share | None = Field(None, description="How far it is before the second.")
    similarity: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Of its nearest utterance."
    )
    holds: bool = Field(True, description="Whether the rule holds for it.")


class RuleEntry(_Shape):
    """If the condition holds, the actions beside it are taken."""

    name: Name = Field(description="What replies and reports call it.")
    description: Prose = Field("", description="What it is for, for people.")
    when: str = Field(description="The condition: a CEL expression over the facts of the request.")
    route: Name | None = Field(None, description="The route that is taken.")
    model: Name | None = Field(None, description="The model that answers.")
    require: Wanted | None = Field(None, description="What the model must satisfy.")
    forbid: Unwanted | None = Field(None, description="What the model must not be.")
    min_confidence: Share | None = Field(None, description="Confidence that a route needs at least to be taken.")
    final: bool = Field(False, description="Nothing overrides it; it is taken too when it cannot be judged.")
    goes_on: bool = Field(False, alias="continue", description="Whether the rules after it are looked at too.")
    expect: Annotated[list[ExampleEntry], Field(max_length=100)] = Field(
        default=[], description="Requests on which it is tried at reindex."
    )


_Rules = Annotated[list[RuleEntry], Field(max_length=MAX_RULES)]


class RulesEntry(_Shape):
    """Rules, judged in their order: the first that holds is followed."""

    before: _Rules = Field(default=[], description="Judged before similarity is asked.")
    after: _Rules = Field(default=[], description="Judged when route and confidence are known.")


class EscalationEntry(_Shape):
    """How much of the traffic may go to the strong tier before unsure requests stay out of it."""

    max_share: Share = Field(description="Of the decisions in the window.")
    window_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(60, description="Over which it is counted.")
    min_decisions: WholeNumber = Field(20, description="With fewer in the window nothing is limited.")
    tier: Literal["cheap", "middle", "strong"] = Field("strong", description="The tier that is limited.")


class BudgetEntry(_Shape):
    """How much may be spent in each hour, day or month."""

    name: Name = Field(description="What replies and reports call it.")
    of: Literal["catalog", "route", "model", "tenant"] = Field(
        description="Each of these has an account of its own; for the catalog there is one."
    )
    per: Literal["hour", "day", "month"] = Field(
        description="How long an account lasts before a new one begins: by the calendar, in UTC."
    )
    limit: Annotated[float, Field(gt=0, le=MAX_USD, allow_inf_nan=False)] = Field(
        description="US dollars of each account, with up to six decimals."
    )
    currency: Currency = Field("USD", description="Nothing else is taken.")
    hard: bool = Field(False, description="Whether nothing is ever spent beyond the limit.")
    when_spent: Literal["alert", "downgrade", "refuse", "cheapest"] | None = Field(
        None,
        description="A soft budget tells alone (alert, the default) or lets the cheapest model that fits answer "
        "(downgrade); a hard one refuses (refuse, the default) or takes the cheapest model while that much is left "
        "(cheapest).",
    )
    only: Annotated[list[Name], Field(min_length=1, max_length=MAX_HOLDERS)] | None = Field(
        None, description="The routes, models or tenants that it is for; by default all, each with its own account."
    )
    cover_fallbacks: bool = Field(
        False,
        description="Reserve what the dearest model costs that a reply names, so that a caller who goes on to a "
        "fallback model stays within; models that are too dear for that are not named. By default the model's own.",
    )


_BREAKERS = BreakerRules()


class BreakersEntry(_Shape):
    """When a model is left alone for a while because its calls fail."""

    consecutive_failures: Calls = Field(
        _BREAKERS.consecutive_failures, description="So many reported failures in a row open a model's breaker."
    )
    failure_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = Field(
        _BREAKERS.failure_share, description="Or this share of the calls in the window."
    )
    min_calls: Calls = Field(_BREAKERS.min_calls, description="But not with fewer calls in the window.")
    window_seconds: Seconds = Field(_BREAKERS.window_seconds, description="Over which calls are counted.")
    cool_down_seconds: Seconds = Field(
        _BREAKERS.cool_down_seconds, description="Until one call may try it; doubled each time that it fails."
    )
    max_cool_down_seconds: Seconds = Field(_BREAKERS.max_cool_down_seconds, description="But never more than this.")
    max_ejected_share: Share = Field(
        _BREAKERS.max_ejected_share,
        description="Of the catalog's models that may be left alone at a time; one may always.",
    )
    trial_seconds: Seconds = Field(
        _BREAKERS.trial_seconds, description="After it a trial of which nothing was heard is taken for lost."
    )


class ArmEntry(_Shape):
    """One way of answering; without model and revision it is as without the experiment."""

    name: Name = Field(description="What replies and reports call it.")
    weight: Percent = Field(description="Per cent of the units; those of all arms are 100 together.")
    model: Name | None = Field(None, description="The model that answers, where the experiment is of a route.")
    revision: Digest | None = Field(
        None, description="The stored revision that decides, where the experiment is of all requests: its whole digest."
    )


class GuardrailEntry(_Shape):
    """The band in which an arm must stay; one that is surely outside of it is stopped."""

    of: Literal["fallback_share", "error_share", "cost_usd"] = Field(
        description="What is watched: the share of decisions that fell back, of reported calls that failed, or dollars "
        "a reported call."
    )
    max: Annotated[float, Field(ge=0, le=MAX_USD, allow_inf_nan=False)] | None = Field(None, description="At most.")
    min: Annotated[float, Field(ge=0, le=MAX_USD, allow_inf_nan=False)] | None = Field(None, description="At least.")


class ExperimentEntry(_Shape):
    """Arms among which requests are split; or a revision that decides too and never serves."""

    name: Name = Field(description="What replies and reports call it.")
    route: Name | None = Field(None, description="The route whose requests are split; by default all of the catalog.")
    unit: Literal["tenant", "session", "request"] = Field(
        "request", description="What is drawn for an arm: all requests of one unit get the same."
    )
    arms: Annotated[list[ArmEntry], Field(max_length=MAX_ARMS)] = Field(
        default=[], description="At least two; the others are compared with the first."
    )
    guardrails: Annotated[list[GuardrailEntry], Field(max_length=MAX_GUARDRAILS)] = Field(
        default=[], description="What stops an arm."
    )
    shadow: Digest | None = Field(
        None, description="Instead of arms: the stored revision that decides too and never serves, by its whole digest."
    )
    share: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = Field(
        100.0, description="Per cent of the requests that the shadow decides too."
    )


class PolicyFile(_Shape):
    """What holds for all routes of the folder."""

    fallback_model: Name = Field(description="The model that answers when no route is sure enough.")
    fallback_chain: Labels = Field(default=[], description="Models to try after the fallback model, in order.")
    target_precision: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = Field(
        0.95, description="The share of accepted decisions that should be right."
    )
    out_of_scope_share: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = Field(
        0.15, description="The share of requests expected to belong to no route."
    )
    adapt_out_of_scope_share: bool = Field(
        False,
        description="Whether a server moves that share, up to fourfold in its odds, to what its traffic looks like.",
    )
    sticky_session_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        0,
        description="How long a session keeps its route when no route is sure enough of a text; 0: not at all.",
    )
    approvals: Annotated[int, Field(ge=0, le=2)] = Field(
        0,
        description="How many other people must approve a revision before it is served; 0: a reindex activates it.",
    )
    rules: RulesEntry | None = Field(None, description="What is decided by rules, not by similarity.")
    escalation: EscalationEntry | None = Field(
        None, description="A limit for the share of traffic that goes to the strong tier; by default none."
    )
    budgets: Annotated[list[BudgetEntry], Field(max_length=MAX_BUDGETS)] = Field(
        default=[], description="How much may be spent. Every model that may answer needs both prices then."
    )
    breakers: BreakersEntry | None = Field(
        None, description="When a model is left alone because its calls fail; each key has a default."
    )
    experiments: Annotated[list[ExperimentEntry], Field(max_length=MAX_EXPERIMENTS)] = Field(
        default=[], description="Requests that are split among models or revisions, or decided by another one too."
    )
    scorer: Literal["auto", "vote", "linear"] = Field(
        "auto", description="What scores routes: the neighbours' vote, a linear head, or a blend of both."
    )


class OutOfScopeFile(_Shape):
    """Texts that belong to no route."""

    utterances: Texts = Field(default=[], description="Example requests that no route should take; indexed.")
    tests: Texts = Field(default=[], description="Requests that must fall back; held out, never embedded.")
