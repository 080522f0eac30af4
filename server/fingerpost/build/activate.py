"""Activate: point a catalog at a published revision."""

from fingerpost.errors import DataLoss
from fingerpost.ports import ActivationStore
from fingerpost.types import Activation


def activate(activations: ActivationStore, catalog: str, revision: str) -> tuple[Activation, bool]:
    """Point the catalog at the revision; False when it pointed there already.

    Raises:
        Conflict: another activation came in between.
        StorageFull: the old pointer stays.
    """
    try:
        current = activations.read(catalog)
    except DataLoss:  # a damaged pointer is mended by writing a new one
        return activations.activate(catalog, revision), True
    if current is not None and current.revision == revision:
        return current, False
    return activations.activate(catalog, revision, current.generation if current else 0), True
