"""Fair: whose turn is it? A line in which each tenant gets an equal share of the work, whoever sends the most."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Waiting(Generic[_Item]):
    """One tenant's items, and how much work it has had since it began to wait."""

    start: float
    items: list[tuple[float, int, float, _Item]] = field(default_factory=list)  # a heap


class FairLine(Generic[_Item]):
    """Start-time fair queueing (Goyal et al. 1996) over tenants; one thread at a time.

    The tenant whose work done is least goes first; one that comes anew starts where the others are, so nobody saves up
    turns. Within a tenant the order that the caller gives decides.
    """

    def __init__(self) -> None:
        self._tenants: dict[str, _Waiting[_Item]] = {}
        self._turns: list[tuple[float, int, str]] = []  # a heap with exactly one turn for each waiting tenant
        self._sequence = 0
        self._now = 0.0  # virtual time: the work that each waiting tenant has had
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[_Item]:
        """All items, in no order."""
        for waiting in self._tenants.values():
            for _, _, _, item in waiting.items:
                yield item

    def push(self, item: _Item, tenant: str, order: float, cost: float) -> None:
        """Put an item in line.

        Args:
            item: What waits.
            tenant: Whose it is.
            order: Smaller goes first among the tenant's own; equal ones in the order that they came.
            cost: The work that it means, above 0, in any unit.
        """
        self._sequence += 1
        self._length += 1
        waiting = self._tenants.get(tenant)
        if waiting is None:
            waiting = self._tenants[tenant] = _Waiting(self._now)
            heapq.heappush(self._turns, (waiting.start, self._sequence, tenant))
        heapq.heappush(waiting.items, (order, self._sequence, cost, item))

    def next_cost(self) -> float | None:
        """What the item costs whose turn it is; None when nobody waits."""
        return self._tenants[self._turns[0][2]].items[0][2] if self._turns else None

    def pop(self) -> _Item:
        """Take out whose turn it is.

        Raises:
            IndexError: nobody waits.
        """
        self._now, _, tenant = heapq.heappop(self._turns)
        waiting = self._tenants[tenant]
        _, sequence, cost, item = heapq.heappop(waiting.items)
        self._length -= 1
        if waiting.items:
            waiting.start += cost
            heapq.heappush(self._turns, (waiting.start, sequence, tenant))
        else:
            del self._tenants[tenant]
        return item
