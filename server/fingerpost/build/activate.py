"""Activate: point a catalog at a published revision, or propose it where others must approve first."""

from dataclasses import dataclass

from fingerpost.ports import ActivationStore
from fingerpost.types import Activation, Proposal


@dataclass(frozen=True, slots=True)
class Pointed:
    """What came of it."""

    activation: Activation  # of the revision; one that is only proposed has the generation that the catalog is at
    changed: bool  # the catalog serves it by this
    proposal: Proposal | None = None


def activate(activations: ActivationStore, catalog: str, revision: str, approvals: int) -> Pointed:
    """Point the catalog at the revision, whose policy asks for so many approvals.

    Raises:
        Conflict: another activation came in between.
        Unavailable, StorageFull, DataLoss: the old pointer stays.
    """
    current = activations.read(catalog)
    if current is not None and current.revision == revision:
        return Pointed(current, changed=False)
    generation = current.generation if current else 0
    if max(approvals, activations.approvals_in_force(catalog)):
        proposal = activations.propose_once(catalog, revision, approvals)
        return Pointed(Activation(catalog, revision, generation), changed=False, proposal=proposal)
    return Pointed(activations.activate(catalog, revision, generation, approvals), changed=True)
