"""Numbers of several server starts as the results keep them."""

from collections.abc import Sequence
from statistics import median


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median of the starts, and how far they lie apart."""
    return {"median": median(values), "lowest": min(values), "highest": max(values), "starts": len(values)}
