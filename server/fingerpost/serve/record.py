"""Record: what is written down of a decision, where the decision log is on. Pure.

`VERSION` grows when a field takes another meaning or goes; fields may come without it, and readers pass over those that
they do not know.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

from fingerpost.serve.cache import Lookup
from fingerpost.serve.pipeline import Answer

VERSION = 1

_ID_DIGITS = 13  # hexadecimal, of a decision's id: as many as a double can tell apart


def is_sampled(decision_id: str, share: float) -> bool:
    """Whether a decision is of the sample: the same for whoever asks, and nothing of the request decides it.

    Args:
        decision_id: Random hexadecimal digits, at least 13.
        share: Of all decisions, (0, 1].
    """
    return int(decision_id[:_ID_DIGITS], 16) / 16.0**_ID_DIGITS < share


def row_of(answer: Answer, time: float, share: float) -> dict[str, Any]:
    """The row of a decision, without what needs its text; see `with_text`.

    Args:
        answer: What was decided.
        time: Seconds since the epoch.
        share: With which it was sampled, (0, 1].
    """
    decision, activation = answer.decision, answer.snapshot.activation
    embedded = answer.retrieval.embedded if answer.retrieval else None
    return {
        "v": VERSION,
        "time": datetime.fromtimestamp(time, tz=UTC).isoformat(timespec="milliseconds"),
        "decision_id": answer.decision_id,
        "catalog": activation.catalog,
        "revision": activation.revision,
        "generation": activation.generation,
        "outcome": decision.outcome.value,
        "route": decision.route,
        "model": decision.model,
        "confidence": decision.confidence,
        "threshold": decision.threshold,
        "margin": decision.margin,
        "similarity": decision.similarity,
        "reasons": [reason.value for reason in decision.reasons],
        "cached": answer.lookup is Lookup.HIT,
        "degraded": decision.degraded,
        "truncated": embedded.truncated if embedded else False,
        "rules": list(decision.rules),
        "skipped_models": {skip.model: skip.reason.value for skip in decision.skipped},
        "propensity": decision.propensity,
        "experiment": None if decision.arm is None else decision.arm.experiment,
        "arm": None if decision.arm is None else decision.arm.arm,
        "arm_propensity": None if decision.arm is None else decision.arm.propensity,
        "expected_usd_micros": decision.expected_usd_micros,
        "share": share,
    }


def with_text(row: dict[str, Any], text: str | None, tenant: str, key: bytes, *, keep: bool) -> dict[str, Any]:
    """The row with what tells whether two requests had the same text or tenant, and with the text where it is kept.

    Args:
        row: See `row_of`; it is changed.
        text: None: the caller gave a vector.
        tenant: Empty where none was told.
        key: A secret of this data folder: without it nobody can try texts until a hash fits.
        keep: Whether the text itself is written down.
    """
    row["tenant_hash"] = keyed(tenant, key) if tenant else None
    row["text_hash"] = None if text is None else keyed(text, key)
    row["text_bytes"] = None if text is None else len(text.encode())
    if keep and text is not None:
        row["text"] = text
    return row


def keyed(text: str, key: bytes) -> str:
    """What a row calls a text or a tenant: 128 bits of HMAC-SHA256 (RFC 2104), in hexadecimal."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]
