"""Admission: may this work begin? A bound on what is in flight; refusing early beats waiting too long."""

from fingerpost.errors import ErrorReason, Overloaded

_RETRY_AFTER_MS = 100


class Admission:
    """Counts decisions in flight; never more than `capacity`. One thread at a time."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.in_flight = 0
        self.refused_count = 0

    def admit(self, units: int = 1) -> None:
        """Take `units`, given back by `release`.

        Raises:
            Overloaded: with a time after which to try again; nothing was taken.
        """
        if self.in_flight + units > self.capacity:
            self.refused_count += 1
            raise Overloaded(
                f"the server decides {self.capacity} requests at a time and has no room for {units} more: retry later",
                ErrorReason.OVERLOADED,
                metadata={"capacity": str(self.capacity), "in_flight": str(self.in_flight)},
                retry_after_ms=_RETRY_AFTER_MS,
            )
        self.in_flight += units

    def release(self, units: int = 1) -> None:
        self.in_flight -= units
