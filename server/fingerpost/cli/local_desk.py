"""The desk of a data folder here, as the commands see it."""

from collections import Counter
from datetime import UTC, datetime

from fingerpost import types
from fingerpost.bootstrap.pointing import myself
from fingerpost.client import catalog_types as seen
from fingerpost.ports import CatalogDesk
from fingerpost.release.audit import verified
from fingerpost.release.comparing import changes


class LocalDesk:
    """The catalogs of a data folder, changed in the name of who runs the command."""

    def __init__(self, desk: CatalogDesk) -> None:
        self._desk = desk

    def catalogs(self) -> list[seen.CatalogPointer]:
        return [seen.CatalogPointer(one.catalog, one.revision, one.generation) for one in self._desk.pointers()]

    def routes(self, catalog: str = "", revision: str = "") -> list[seen.RouteEntry]:
        found = self._desk.revision(catalog, revision)
        counts = Counter(exemplar.route for exemplar in found.exemplars)
        rows = [
            seen.RouteEntry(
                one.name,
                one.description,
                one.model,
                one.threshold,
                one.threshold_given,
                counts[number],
                one.models or (one.model,),
                one.selection.mode.value,
                one.fallback,
            )
            for number, one in enumerate(found.decider.routes)
        ]
        return sorted(rows, key=lambda row: row.name)

    def models(self, catalog: str = "", revision: str = "") -> list[seen.ModelEntry]:
        models = self._desk.revision(catalog, revision).decider.models
        return [_model(one) for _, one in sorted(models.items())]

    def revisions(self) -> list[seen.StoredRevision]:
        return [
            seen.StoredRevision(
                one.digest,
                one.stored,
                one.active_in,
                one.routes,
                one.exemplars,
                one.encoder,
                one.encoder_digest,
                one.tests,
                one.tests_accuracy,
                one.left_out_accuracy,
                one.damage,
            )
            for one in self._desk.revisions()
        ]

    def compare(self, before: str, after: str, catalog: str = "") -> list[seen.Change]:
        found = changes(self._desk.revision(catalog, before), self._desk.revision(catalog, after))
        return [seen.Change(one.subject, one.name, one.field, one.before, one.after) for one in found]

    def proposals(self, catalog: str = "") -> list[seen.Proposal]:
        return [proposal_seen(one) for one in self._desk.proposals(catalog)]

    def propose(self, revision: str, catalog: str = "", comment: str = "") -> seen.Proposal:
        return proposal_seen(self._desk.propose(myself(), catalog, revision, comment))

    def approve(self, revision: str, catalog: str = "", comment: str = "") -> seen.Proposal:
        return proposal_seen(self._desk.approve(myself(), catalog, revision, comment))

    def reject(self, revision: str, catalog: str = "", comment: str = "") -> seen.Proposal:
        return proposal_seen(self._desk.reject(myself(), catalog, revision, comment))

    def activate(self, revision: str, catalog: str = "", expected_generation: int | None = None) -> seen.Moved:
        return _moved(self._desk.activate(myself(), catalog, revision, expected_generation))

    def roll_back(self, catalog: str = "", revision: str = "") -> seen.Moved:
        return _moved(self._desk.roll_back(myself(), catalog, revision))

    def audit(self, catalog: str = "", last: int | None = None) -> list[seen.AuditEntry]:
        entries, _ = self._desk.audit()
        wanted = [entry for entry in reversed(entries) if not catalog or entry.event.catalog == catalog]
        return [entry_seen(entry) for entry in wanted[:last]]

    def verify(self, known_hash: str = "") -> seen.AuditHead:
        head = verified(*self._desk.audit(), known_hash or None)
        return seen.AuditHead(head.sequence, head.hash)

    def collect(self, keep_last: int, *, dry_run: bool = False) -> seen.Collected:
        found = self._desk.collect(myself(), keep_last, dry_run=dry_run)
        return seen.Collected(found.revisions, found.bytes, found.unused_encoders)


def proposal_seen(proposal: types.Proposal) -> seen.Proposal:
    rejection = proposal.rejection
    return seen.Proposal(
        proposal.catalog,
        proposal.revision,
        proposal.state.value,
        proposal.proposer,
        proposal.comment,
        time_seen(proposal.time_us),
        proposal.approvals_needed,
        tuple(map(_vote, proposal.approvals)),
        None if rejection is None else _vote(rejection),
    )


def _vote(vote: types.Vote) -> seen.Vote:
    return seen.Vote(vote.actor, vote.comment, time_seen(vote.time_us))


def _moved(done: types.Activated) -> seen.Moved:
    one = done.activation
    return seen.Moved(one.catalog, one.revision, one.generation, entry_seen(done.entry))


def entry_seen(entry: types.AuditEntry) -> seen.AuditEntry:
    event = entry.event
    return seen.AuditEntry(
        entry.sequence,
        time_seen(entry.time_us),
        event.actor,
        str(event.action),
        event.catalog,
        event.revision,
        dict(event.details),
        entry.key,
        entry.previous_hash,
        entry.hash,
    )


def _model(model: types.Model) -> seen.ModelEntry:
    return seen.ModelEntry(
        model.name,
        model.upstream_model,
        model.provider,
        model.description,
        model.input_price_usd_micros,
        model.output_price_usd_micros,
        model.context_window_tokens,
        model.capabilities,
        model.tier,
        model.cached_input_price_usd_micros,
        model.max_output_tokens,
        model.languages,
        model.regions,
        model.quality,
        model.latency_p50_ms,
        model.latency_p95_ms,
    )


def time_seen(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / 1e6, tz=UTC)
