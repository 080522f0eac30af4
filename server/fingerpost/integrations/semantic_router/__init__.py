"""semantic-router beside Fingerpost; importing this loads nothing of that library."""

from fingerpost.integrations.semantic_router.baseline import BaselineDecision, baseline_decisions, require_installed

__all__ = ["BaselineDecision", "baseline_decisions", "require_installed"]
