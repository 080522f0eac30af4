"""Decayed: a mean in which the latest values count most."""


class DecayedMean:
    """Mean of about the last `span` values: of all until there are so many, exponentially decayed from then on."""

    def __init__(self, span: int) -> None:
        self._span = span
        self._count = 0
        self.value = 0.0

    def add(self, value: float) -> None:
        self._count = min(self._count + 1, self._span)
        self.value += (value - self.value) / self._count
