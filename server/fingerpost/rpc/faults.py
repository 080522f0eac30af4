"""Faults: what is wrong with a request, all of it at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fingerpost.errors import ErrorReason, FieldViolation, InvalidRequest


@dataclass(slots=True)
class Faults:
    """Collects what is wrong, so that a caller learns all of it at once."""

    violations: list[FieldViolation] = field(default_factory=list)
    reason: ErrorReason | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        path: str,
        description: str,
        reason: ErrorReason = ErrorReason.INVALID_FIELD,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.violations.append(FieldViolation(path, description))
        self.reason = self.reason or reason
        self.metadata.update(metadata or {})

    def check(self) -> None:
        """Refuse the request if anything is wrong with it.

        Raises:
            InvalidRequest: with a violation for each wrong field.
        """
        if self.violations:
            first = self.violations[0]
            raise InvalidRequest(
                f"{first.field}: {first.description}", self.reason, fields=self.violations, metadata=self.metadata
            )


def check_count(count: int, limit: int) -> None:
    """Refuse a batch of that many requests if it is empty or over the limit.

    Raises:
        InvalidRequest: BATCH_TOO_LARGE, or INVALID_FIELD.
    """
    if 1 <= count <= limit:
        return
    description = f"1 to {limit} requests, not {count}"
    raise InvalidRequest(
        f"requests: {description}",
        ErrorReason.BATCH_TOO_LARGE if count else ErrorReason.INVALID_FIELD,
        fields=[FieldViolation("requests", description)],
        metadata={"limit": str(limit), "actual": str(count)},
    )
