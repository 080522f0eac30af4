"""Reading: the rows of a decision log, those that cannot be used counted by why."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fingerpost.errors import InvalidRequest
from fingerpost.serve.record import VERSION

_LONGEST_LINE = 8 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Logged:
    """A decision as it was written down."""

    decision_id: str
    catalog: str
    revision: str
    route: str | None  # None: the fallback
    model: str
    share: float  # with which it was sampled, (0, 1]
    text_hash: str | None
    text: str | None  # None: it was not kept

    @property
    def weight(self) -> float:
        """Of how many decisions it stands for."""
        return 1.0 / self.share


@dataclass(frozen=True, slots=True)
class Log:
    """What can be used of a log, and how many rows cannot, by why."""

    rows: tuple[Logged, ...]
    passed_over: Mapping[str, int]  # torn, newer, degraded, other catalog, no text, twice


def read_log(path: Path, catalog: str, texts: Mapping[str, str]) -> Log:
    """The decisions of a catalog that can be replayed, by file and line.

    Args:
        path: A file, or a folder of files that a server wrote.
        catalog: Whose decisions.
        texts: Texts by their hash, for rows that have none.

    Raises:
        InvalidRequest: there is nothing that could be read.
    """
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    rows: list[Logged] = []
    for line in _lines(_files(path)):
        row = _row(line, catalog, texts, counts)
        if row is None:
            continue
        if row.decision_id in seen:
            counts["twice"] += 1
            continue
        seen.add(row.decision_id)
        rows.append(row)
    if not rows:
        raise InvalidRequest(f"{path} has no decision that can be replayed: {_why(counts)}")
    return Log(tuple(rows), dict(counts))


def is_log(path: Path) -> bool:
    """Whether that is a decision log, or something else, as a file of cases."""
    if path.is_dir():
        return True
    with path.open("rb") as file:
        return b'"decision_id"' in file.readline(_LONGEST_LINE)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("decisions-*.jsonl"))
    if not found:
        raise InvalidRequest(f"{path} holds no decisions-*.jsonl: is it what FINGERPOST_DECISION_LOG names?")
    return found


def _lines(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while line := file.readline(_LONGEST_LINE):
                if line.strip():
                    yield line


def _row(line: bytes, catalog: str, texts: Mapping[str, str], counts: Counter[str]) -> Logged | None:
    """None, and counted, where it is of no use."""
    try:
        row = json.loads(line)
        if row["v"] > VERSION:
            counts["newer"] += 1
            return None
        found = _logged(row, texts)
        degraded = bool(row["degraded"])
    except (ValueError, KeyError, TypeError, RecursionError):
        counts["torn"] += 1
        return None
    why = "other catalog" if found.catalog != catalog else "degraded" if degraded else ""
    why = why or ("no text" if found.text is None else "")
    if why:
        counts[why] += 1
        return None
    return found


def _logged(row: Mapping[str, object], texts: Mapping[str, str]) -> Logged:
    route, text, text_hash = row["route"], row.get("text"), row["text_hash"]
    share = float(str(row["share"]))
    if not 0 < share <= 1 or not all(one is None or isinstance(one, str) for one in (route, text, text_hash)):
        raise ValueError("not a row of ours")
    known = text if text is not None else texts.get(str(text_hash))
    return Logged(
        decision_id=str(row["decision_id"]),
        catalog=str(row["catalog"]),
        revision=str(row["revision"]),
        route=None if route is None else str(route),
        model=str(row["model"]),
        share=share,
        text_hash=None if text_hash is None else str(text_hash),
        text=None if known is None else str(known),
    )


def _why(counts: Mapping[str, int]) -> str:
    words = {
        "no text": "{} have no text: switch texts on with FINGERPOST_DECISION_LOG_TEXT_DAYS, or give them with --texts",
        "other catalog": "{} are of other catalogs",
        "degraded": "{} were decided without the encoder",
        "newer": "{} are of a newer program",
        "torn": "{} lines are no rows",
    }
    return "; ".join(words[name].format(count) for name, count in counts.items() if name in words) or "it is empty"
