"""World: the callers and the models of a simulated day. All that is made up about it stands here."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from fingerpost.types import CallStatus

HOUR = 3_600.0
DAY = 24 * HOUR

OUTPUT_LIMIT = 400  # tokens: what callers say that an answer may have, and the models keep to


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it comes."""

    second: float  # of the day
    text: str
    tenant: str
    session: str
    number: int


@dataclass(frozen=True, slots=True)
class Call:
    """What came of calling a model."""

    status: CallStatus
    latency_ms: int
    output_tokens: int = 0
    retry_after_ms: int | None = None


TENANTS = {"acme": 0.40, "globex": 0.25, "initech": 0.20, "hooli": 0.15}
"""Share of the sessions."""

CROWD = ("hooli", 16 * HOUR, 17 * HOUR, 6.0)
"""A tenant that comes so many times as often for an hour."""

OUTAGES = {
    "large": ((10 * HOUR, 10.75 * HOUR, 1.0),),
    "coder": ((14 * HOUR, 15.5 * HOUR, 0.5),),
}
"""Of a model: from, until, and the share of its calls that fail meanwhile."""

LIMITED = ("small", 18 * HOUR, 18.5 * HOUR, 0.3, 20_000)
"""A model whose provider says 429 to a share of calls meanwhile, and to come back after so many milliseconds."""

BROKEN_ARM = ("seer", 0.25)
"""A model that an experiment tries and that fails a quarter of its calls all day."""

FAILURES = 0.01  # of any call
GOOD_FITS = {"coder": 0.82, "small": 0.74}  # of answers that somebody looks at
LOOKED_AT = 0.3
LATENCIES_MS = {"small": 400, "medium": 700, "coder": 900, "seer": 800}
_LATENCY_MS = 1_500


def arrivals(count: int, texts: Sequence[str], random: Random) -> Iterator[Arrival]:
    """About `count` requests in the order of time, in sessions of 1 to 15; most at noon, few at night."""
    rate = [1 + 0.9 * math.sin((hour - 7) / 24 * 2 * math.pi) for hour in range(24)]
    total, number = sum(rate), 0
    starts: list[tuple[float, str]] = []
    for hour in range(24):
        for tenant, share in TENANTS.items():
            name, begin, end, times = CROWD
            more = times if tenant == name and begin <= hour * HOUR < end else 1.0
            sessions = round(count / 8 * rate[hour] / total * share * more)
            starts += [(hour * HOUR + random.random() * HOUR, tenant) for _ in range(sessions)]
    rows: list[tuple[float, str, str]] = []
    for place, (start, tenant) in enumerate(sorted(starts)):
        second = start
        for _ in range(random.randint(1, 15)):
            rows.append((second, tenant, f"s{place}"))
            second += random.expovariate(1 / 40)
    for second, tenant, session in sorted(rows):
        if second < DAY:
            yield Arrival(second, random.choice(texts), tenant, session, number)
            number += 1


def call(model: str, second: float, random: Random) -> Call:
    """Call a model at a second of the day."""
    latency_ms = round(LATENCIES_MS.get(model, _LATENCY_MS) * random.lognormvariate(0, 0.4))
    limited, begin, end, share, retry_after_ms = LIMITED
    if model == limited and begin <= second < end and random.random() < share:
        return Call(CallStatus.RATE_LIMITED, 20, retry_after_ms=retry_after_ms)
    if random.random() < _failure_share(model, second):
        return Call(CallStatus.SERVER_ERROR, latency_ms)
    tokens = min(OUTPUT_LIMIT, max(1, round(random.lognormvariate(math.log(140), 0.7))))
    return Call(CallStatus.OK, latency_ms, tokens)


def _failure_share(model: str, second: float) -> float:
    for begin, end, share in OUTAGES.get(model, ()):
        if begin <= second < end:
            return share
    return BROKEN_ARM[1] if model == BROKEN_ARM[0] else FAILURES
