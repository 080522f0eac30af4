"""semantic-router: the baseline of an evaluation, and classes to use inside its version 1.

    FaissIndex          an index, in the place of its LocalIndex
    FingerpostEncoder   a dense encoder that needs no torch
    RemoteRouter        a router that asks a Fingerpost server
    read_router_file    a route folder of a router file of 0.x or 1.x
    write_router_file   the other way round

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
    "read_router_file",
    "require_installed",
    "write_router_file",
]

_CLASSES = {"FaissIndex": "index", "FingerpostEncoder": "encoder", "RemoteRouter": "router"}
_FILES = {"read_router_file", "write_router_file"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  the library's classes have no types
    """One of the classes, or a function for files.

    Raises:
        FailedPrecondition: a class was asked for and semantic-router is not installed.
    """
    if name in _FILES:
        return getattr(import_module(f"{__name__}.files"), name)
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    require_installed()
    return getattr(import_module(f"{__name__}.{_CLASSES[name]}"), name)
