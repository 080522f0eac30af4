"""semantic-router: the baseline of an evaluation, and classes to use inside its version 1.

    FaissIndex          an index, in the place of its LocalIndex
    FingerpostEncoder   a dense encoder that needs no torch
    RemoteRouter        a router that asks a Fingerpost server

The classes derive from the library's own and are imported when they are asked for: until then neither semantic-router
nor an engine is loaded.
"""

from importlib import import_module
from typing import Any

from fingerpost.integrations.semantic_router.baseline import BaselineDecision, baseline_decisions, require_installed

__all__ = [
    "BaselineDecision",
    "FaissIndex",
    "FingerpostEncoder",
    "RemoteRouter",
    "baseline_decisions",
    "require_installed",
]

_CLASSES = {"FaissIndex": "index", "FingerpostEncoder": "encoder", "RemoteRouter": "router"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  the library's classes have no types
    """One of the classes.

    Raises:
        FailedPrecondition: semantic-router is not installed.
    """
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    require_installed()
    return getattr(import_module(f"{__name__}.{_CLASSES[name]}"), name)
