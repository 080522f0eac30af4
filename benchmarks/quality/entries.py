"""What the quality benchmark measures: one small entry a set, and how its rows become tasks.

A task is a catalog to build (labelled texts) and cases to decide. An entry's headline tasks stand in every table; the
others repeat it on other samples of the training rows or other splits.
"""

import gzip
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from public_sets import OUT_OF_SCOPE_LABEL

Raw = dict[str, Any]
"""A row of a set as its file has it."""

_HELD_OUT_LABELS = 0.2  # of a bot's intents that its catalog never sees
_HELD_OUT_ROWS = 0.3  # of the texts of each intent that it does see


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text; `group` parts the cases of one task, as languages do."""

    text: str
    label: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A catalog to build and cases to decide."""

    name: str
    train: tuple[Row, ...]
    cases: tuple[Row, ...]
    headline: bool = False  # measured with intervals and curves


@dataclass(frozen=True, slots=True)
class Entry:
    """A set and how it is used; `robustness_texts` is how many of its cases are also asked in other spellings."""

    name: str
    title: str
    source: str  # key of `public_sets.SOURCES`
    tasks: Callable[[Path, int], Iterator[Task]]  # of the folder of the sets and the number of seeds
    robustness_texts: int = 0


def published(train: str, cases: str, *, shots: int = 0) -> Callable[[Path, int], Iterator[Task]]:
    """A published split; with `shots`, also that many rows a label drawn from the whole training file."""

    def tasks(sets: Path, seeds: int) -> Iterator[Task]:
        held_out = read(sets / cases)
        yield Task("published", read(sets / train), held_out, headline=True)
        if shots:
            whole = _in_scope(read(sets / cases.rpartition("/")[0] / _whole(sets, cases)))
            for seed in range(1, seeds + 1):
                yield Task(f"sample {seed}", _sample(whole, shots, seed), held_out)

    return tasks


def _whole(sets: Path, cases: str) -> str:
    folder = (sets / cases).parent
    return next(name for name in ("train.jsonl.gz", "train.jsonl") if (folder / name).is_file())


def bots(file: str) -> Callable[[Path, int], Iterator[Task]]:
    """Each bot by itself: a seeded fifth of its intents is out of scope, three tenths of the other texts are cases."""

    def tasks(sets: Path, seeds: int) -> Iterator[Task]:
        raw = read_raw(sets / file)
        for seed in range(1, seeds + 1):
            for bot in sorted({row["bot"] for row in raw}):
                yield _bot_task(bot, seed, _rows([row for row in raw if row["bot"] == bot]))

    return tasks


def _bot_task(bot: str, seed: int, rows: Sequence[Row]) -> Task:
    draw = random.Random(f"{bot} {seed}")  # noqa: S311  # a seeded split is no secret
    labels = sorted({row.label for row in rows})
    unknown = set(draw.sample(labels, round(len(labels) * _HELD_OUT_LABELS)))
    train: list[Row] = []
    cases = [replace(row, label=OUT_OF_SCOPE_LABEL) for row in rows if row.label in unknown]
    for label in labels:
        if label not in unknown:
            own = sorted((row for row in rows if row.label == label), key=lambda row: row.text)
            draw.shuffle(own)
            cut = round(len(own) * _HELD_OUT_ROWS)
            cases += own[:cut]
            train += own[cut:]
    return Task(f"{bot}, split {seed}", tuple(train), _unseen(cases, train), headline=True)


def _unseen(cases: Iterable[Row], train: Iterable[Row]) -> tuple[Row, ...]:
    """Without the cases whose text is an utterance, whatever its case."""
    seen = {row.text.casefold() for row in train}
    return tuple(row for row in cases if row.text.casefold() not in seen)


def languages(file: str) -> Callable[[Path, int], Iterator[Task]]:
    """A catalog of a seeded half of the English sentences; cases are the other half in every language.

    Rows that do not say which English sentence they translate are cases all the same.
    """

    def tasks(sets: Path, seeds: int) -> Iterator[Task]:
        raw = read_raw(sets / file)
        for seed in range(1, seeds + 1):
            inside = _half([row for row in raw if row["lang"] == "en"], seed)
            train = [row for row in raw if row["lang"] == "en" and row["en_id"] in inside]
            cases = [row for row in raw if row["en_id"] not in inside]
            utterances = _rows(train)
            unseen = _unseen(_rows(cases, group="lang"), utterances)
            yield Task(f"half {seed}", utterances, unseen, headline=seed == 1)

    return tasks


def _half(english: Sequence[Raw], seed: int) -> set[int]:
    """Numbers of half of the sentences of each label, the larger half where it is odd."""
    draw = random.Random(seed)  # noqa: S311
    chosen: set[int] = set()
    for label in sorted({row["label"] for row in english}):
        numbers = sorted(row["en_id"] for row in english if row["label"] == label)
        chosen.update(draw.sample(numbers, (len(numbers) + 1) // 2))
    return chosen


def domains(sets: Path, _seeds: int) -> Iterator[Task]:
    """Exemplars of the 14 MMLU domains; cases are questions of those domains."""
    yield Task("domains", _rows(_mmlu(sets)), read(sets / "vllm_sr/domain_cases.jsonl"), headline=True)


def decisions(sets: Path, _seeds: int) -> Iterator[Task]:
    """The same exemplars, those of the domain `other` being out of scope; cases that should fall back are too."""
    train = [row | {"label": _decision_label(row["label"])} for row in _mmlu(sets)]
    known = {row["label"] for row in train}
    cases = [
        row | {"label": OUT_OF_SCOPE_LABEL if row["should_fallback"] else _decision_label(row["label"])}
        for row in read_raw(sets / "vllm_sr/decision_cases.jsonl")
    ]
    yield Task("decisions", _rows(train), _rows([row for row in cases if row["label"] in known]), headline=True)


def _mmlu(sets: Path) -> list[Raw]:
    return [row for row in read_raw(sets / "vllm_sr/exemplars.jsonl") if row["file"] == "knowledge_bases/mmlu"]


def _decision_label(label: str) -> str:
    name = label.removesuffix("_decision").replace("_", " ")
    return {"other": OUT_OF_SCOPE_LABEL, "code": "computer science"}.get(name, name)


# --- Rows -----------------------------------------------------------------------------------------------------------


def read_raw(path: Path) -> list[Raw]:
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def read(path: Path) -> tuple[Row, ...]:
    return _rows(read_raw(path))


def _rows(raw: Iterable[Raw], group: str = "") -> tuple[Row, ...]:
    return tuple(Row(row["text"].strip(), _name(row["label"]), row.get(group) or "") for row in raw)


def _name(label: str) -> str:
    """The label as a route may be called, so that a case and its route agree."""
    return re.sub(r"[^A-Za-z0-9]+", "_", label).strip("_")


def _in_scope(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.label != OUT_OF_SCOPE_LABEL]


def _sample(rows: Sequence[Row], shots: int, seed: int) -> tuple[Row, ...]:
    draw = random.Random(seed)  # noqa: S311
    chosen: list[Row] = []
    for label in sorted({row.label for row in rows}):
        own = sorted({row.text for row in rows if row.label == label})
        chosen += [Row(text, label) for text in draw.sample(own, min(shots, len(own)))]
    return tuple(chosen)


# --- The entries ----------------------------------------------------------------------------------------------------

_CLINC, _BANKING, _HWU = "clinc150/validation.jsonl", "banking77/validation.jsonl", "hwu64/validation.jsonl"

ENTRIES = (
    Entry("clinc150", "CLINC150", "clinc150", published("clinc150/train.jsonl.gz", _CLINC), 334),
    Entry(
        "clinc150_imbalanced",
        "CLINC150, imbalanced",
        "clinc150",
        published("clinc150/train_imbalanced.jsonl.gz", _CLINC),
    ),
    Entry(
        "clinc150_10shot",
        "CLINC150, 10 a route",
        "clinc150",
        published("clinc150/train_10shot.jsonl", _CLINC, shots=10),
    ),
    Entry(
        "clinc150_5shot", "CLINC150, 5 a route", "clinc150", published("clinc150/train_5shot.jsonl", _CLINC, shots=5)
    ),
    Entry("banking77", "BANKING77", "banking77", published("banking77/train.jsonl.gz", _BANKING), 333),
    Entry(
        "banking77_10shot",
        "BANKING77, 10 a route",
        "banking77",
        published("banking77/train_10shot.jsonl", _BANKING, shots=10),
    ),
    Entry(
        "banking77_5shot",
        "BANKING77, 5 a route",
        "banking77",
        published("banking77/train_5shot.jsonl", _BANKING, shots=5),
    ),
    Entry("hwu64", "HWU64", "hwu64", published("hwu64/train.jsonl", _HWU), 333),
    Entry("hwu64_10shot", "HWU64, 10 a route", "hwu64", published("hwu64/train_10shot.jsonl", _HWU, shots=10)),
    Entry("hwu64_5shot", "HWU64, 5 a route", "hwu64", published("hwu64/train_5shot.jsonl", _HWU, shots=5)),
    Entry("hint3", "HINT3", "hint3", bots("hint3/train.jsonl")),
    Entry("xsid", "xSID", "xsid", languages("xsid/validation.jsonl")),
    Entry(
        "healthcare_routing",
        "Healthcare routing",
        "healthcare_routing",
        published("healthcare_routing/train.jsonl", "healthcare_routing/validation.jsonl"),
    ),
    Entry("vllm_sr_domains", "vLLM Semantic Router, domains", "vllm_sr", domains),
    Entry("vllm_sr_decisions", "vLLM Semantic Router, decisions", "vllm_sr", decisions),
)
