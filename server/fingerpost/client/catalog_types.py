"""What a client hears of catalogs, revisions and their audit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Vote:
    """What somebody said of a proposal."""

    actor: str
    comment: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """A revision that a catalog shall serve, if others agree."""

    catalog: str
    revision: str
    state: str  # proposed, approved or rejected
    proposer: str
    comment: str
    time: datetime
    approvals_needed: int
    approvals: tuple[Vote, ...] = ()
    rejection: Vote | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that was done."""

    sequence: int
    time: datetime
    actor: str
    action: str
    catalog: str
    revision: str
    details: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    previous_hash: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a catalog serves now, and the entry in the audit that says so."""

    catalog: str
    revision: str
    generation: int
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the audit ends."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class CatalogPointer:
    """A catalog and what it serves."""

    name: str
    revision: str
    generation: int


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """A route of a revision."""

    name: str
    description: str
    model: str
    threshold: float  # [0, 1]
    threshold_given: bool
    utterances: int
    models: tuple[str, ...] = ()  # that it chooses from
    selection: str = "fixed"
    fallback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model of a revision; None where unknown."""

    name: str
    upstream_model: str
    provider: str
    description: str
    input_price_usd_micros: int | None  # per million tokens
    output_price_usd_micros: int | None
    context_window_tokens: int | None
    capabilities: tuple[str, ...]
    tier: str
    cached_input_price_usd_micros: int | None = None
    max_output_tokens: int | None = None
    languages: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    quality: Mapping[str, float] = field(default_factory=dict)  # task family -> [0, 1]
    latency_p50_ms: int | None = None
    latency_p95_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A stored revision; None where it cannot be read."""

    digest: str
    stored: datetime
    active_in: tuple[str, ...]
    routes: int | None
    exemplars: int | None
    encoder: str | None
    encoder_digest: str | None
    tests: int | None
    tests_accuracy: float | None  # [0, 1]
    left_out_accuracy: float | None  # [0, 1]
    damage: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """Something that two revisions have otherwise; without a field all of it."""

    subject: str
    name: str
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Collected:
    """Revisions that were removed, or would be."""

    revisions: tuple[str, ...]
    bytes: int
    unused_encoders: tuple[str, ...]
