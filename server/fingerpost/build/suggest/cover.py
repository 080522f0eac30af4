"""Cover: which few stand for all? Greedy facility location.

Each row is as well covered as its nearest chosen row is similar; a choice gains what it adds over all rows. The greedy
choice has at least 1 - 1/e of what any has (Nemhauser et al. 1978), and since gains only shrink, most of them need not
be counted again (Minoux 1978).
"""

import heapq
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def cover(similarities: Floats, weights: Floats, covered: Floats) -> Iterator[tuple[int, float]]:
    """Rows with what each gains, the greatest first, without end but the last row.

    Args:
        similarities: Shape (n, n), symmetric.
        weights: Shape (n,), at least 0.
        covered: Shape (n,): how similar what is chosen already is to each row.
    """
    first = weights @ np.maximum(similarities - covered[:, None], 0.0)
    heap = [(-float(gain), row) for row, gain in enumerate(first)]
    heapq.heapify(heap)
    counted = np.zeros(len(heap), dtype=np.int64)  # after how many choices each gain was counted last
    choices = 0
    while heap:
        gain, row = heapq.heappop(heap)
        if counted[row] == choices:
            yield row, -gain
            covered = np.maximum(covered, similarities[row])
            choices += 1
        else:
            counted[row] = choices
            heapq.heappush(heap, (-float(weights @ np.maximum(similarities[row] - covered, 0.0)), row))
