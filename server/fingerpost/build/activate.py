"""Activate: point a catalog at a published revision."""

from fingerpost.ports import ActivationStore
from fingerpost.types import Activation


def activate(activations: ActivationStore, catalog: str, revision: str) -> tuple[Activation, bool]:
    """Point the catalog at the revision; False when it pointed there already.

    Raises:
        Conflict: another activation came in between.
        Unavailable, StorageFull, DataLoss: the old pointer stays.
    """
    current = activations.read(catalog)
    if current is not None and current.revision == revision:
        return current, False
    return activations.activate(catalog, revision, current.generation if current else 0), True
