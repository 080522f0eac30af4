"""Control ports: budgets, breakers and experiments as those who look after them see and change them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fingerpost.types import (
    AuditEntry,
    Author,
    BreakerState,
    BudgetState,
    ExperimentReport,
    ExperimentState,
    Standing,
)


class ControlDesk(Protocol):
    """Looks after budgets, breakers and experiments of the catalogs of a server; every change is in the audit.

    Blocks; safe to use from several threads. Names are checked here; what was set for a name can be reset also when no
    policy has it any more. A change with a key that is known already does nothing more.

    Raises, in each method:
        InvalidRequest: a name or value is none. NotFound: there is no such catalog, budget, model, experiment or arm.
        Unavailable, StorageFull, DataLoss: nothing changed.
    """

    def budgets(self, catalog: str) -> Sequence[BudgetState]:
        """Of the policy in force, by name."""

    def set_budget(self, by: Author, catalog: str, name: str, holder: str, limit_usd_micros: int) -> AuditEntry:
        """Another limit than the policy's, for one holder or ("") for all, from now on."""

    def reset_budget(self, by: Author, catalog: str, name: str, holder: str) -> AuditEntry:
        """The policy's limit again."""

    def clear_budget(self, by: Author, catalog: str, name: str, holder: str) -> Sequence[Standing]:
        """Put what was spent in running windows out of the count, of one holder or ("") of all."""

    def breakers(self, catalog: str) -> Sequence[BreakerState]:
        """Of each model, by name, as the server that is asked has them.

        Raises:
            FailedPrecondition: SERVER_REQUIRED, this desk has none: breakers are in a server's memory.
        """

    def set_breaker(self, by: Author, catalog: str, model: str, *, open: bool, seconds: int | None) -> AuditEntry:
        """Leave a model alone, or call it whatever happens, until then or (None) until it is reset."""

    def reset_breaker(self, by: Author, catalog: str, model: str) -> AuditEntry:
        """By itself again, closed."""

    def experiments(self, catalog: str) -> Sequence[ExperimentState]:
        """Of the policy in force, by name; counts are those of the server that is asked, if one is."""

    def set_experiment(
        self, by: Author, catalog: str, name: str, *, running: bool | None, weights: Mapping[str, float]
    ) -> AuditEntry:
        """Stop or go on (None: leave it), and other weights than the policy's, by arm, 100 together; {}: leave them."""

    def reset_experiment(self, by: Author, catalog: str, name: str) -> AuditEntry:
        """As the policy says again, arms that a guardrail stopped among it."""

    def report(self, catalog: str, name: str) -> ExperimentReport: ...
