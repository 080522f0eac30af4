"""What is wrong in a route folder, gathered over all files, and the error that carries it."""

from collections.abc import Sequence
from dataclasses import dataclass

from fingerpost.build.finding_kinds import Kind
from fingerpost.build.sensitive import masked
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.types import Finding, Severity

QUOTE_LIMIT = 60  # characters of a text that a message repeats


class RouteFilesInvalid(FailedPrecondition):
    """The route folder cannot be used; `findings` holds everything found, warnings too, by file and line."""

    default_reason = ErrorReason.ROUTE_FILES_INVALID

    def __init__(self, findings: Sequence[Finding], subject: str = "the route files have") -> None:
        self.findings = tuple(findings)
        errors = sum(finding.severity is Severity.ERROR for finding in self.findings)
        super().__init__(f"{subject} {errors} error{'' if errors == 1 else 's'}", metadata={"errors": str(errors)})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; line 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Findings:
    """Collects findings, so that a person sees all of them at once and not one a run."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(self, kind: Kind, place: Place, message: str) -> None:
        self._found.append(Finding(kind.code, kind.severity, place.file, place.line, message))

    @property
    def errors_count(self) -> int:
        return sum(finding.severity is Severity.ERROR for finding in self._found)

    def ordered(self) -> tuple[Finding, ...]:
        """By file, then line."""
        return tuple(sorted(self._found, key=lambda found: (found.file, found.line, found.code, found.message)))

    def check(self) -> None:
        """Raise if there is an error among them.

        Raises:
            RouteFilesInvalid
        """
        if self.errors_count:
            raise RouteFilesInvalid(self.ordered())


def quoted(text: str) -> str:
    """A text as a message shows it: no secrets, shortened, characters escaped that a terminal would act on."""
    shown = masked(text)
    return repr(shown if len(shown) <= QUOTE_LIMIT else shown[:QUOTE_LIMIT] + "...")
