"""Cost: how long does a text of this length take? Learned from what was measured."""

from fingerpost.guard.decayed import DecayedMean

COSTLIEST_CHARS = 2048
"""A longer text is cut to the encoder's window and costs no more."""

_SECONDS, _SECONDS_PER_CHAR = 0.8e-3, 20e-6
"""What the default encoder takes on one core of a server: the curve that is assumed until a length was measured."""

_LEARNED_CALLS = 20


class TextCost:
    """Seconds of an embedding thread by length of text: a mean for each power of two. One thread at a time.

    Lengths that were measured tell how much slower or faster than assumed the others are.
    """

    def __init__(self) -> None:
        self._means: dict[int, DecayedMean] = {}
        self._slower = DecayedMean(_LEARNED_CALLS)  # than assumed, by what factor; 0: nothing was measured

    def estimate(self, chars: int) -> float:
        """Seconds that a text of so many characters is expected to take; 0 characters: a vector that is given."""
        mean = self._means.get(_size(chars))
        return _assumed(chars) * (self._slower.value or 1.0) if mean is None else mean.value

    def learn(self, chars: int, seconds: float) -> None:
        """Note what one took."""
        size = _size(chars)
        if size not in self._means:
            self._means[size] = DecayedMean(_LEARNED_CALLS)
        self._means[size].add(seconds)
        if chars:  # a vector that is given does not tell how fast the encoder is
            self._slower.add(seconds / _assumed(chars))


def _assumed(chars: int) -> float:
    return _SECONDS + _SECONDS_PER_CHAR * min(chars, COSTLIEST_CHARS)


def _size(chars: int) -> int:
    return min(chars, COSTLIEST_CHARS).bit_length()
