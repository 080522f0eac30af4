"""Admission: may this work begin? A bound on what is in flight; refusing early beats waiting too long."""

from fingerpost.guard.refusal import Cause, refused


class Admission:
    """Counts requests in flight; never more than `capacity`. One thread at a time."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.in_flight = 0

    def admit(self, units: int = 1) -> None:
        """Take `units`, given back by `release`.

        Raises:
            Overloaded: with a time after which to try again; nothing was taken.
        """
        if self.in_flight + units > self.capacity:
            raise refused(Cause.IN_FLIGHT, capacity=self.capacity, in_flight=self.in_flight)
        self.in_flight += units

    def release(self, units: int = 1) -> None:
        self.in_flight -= units
