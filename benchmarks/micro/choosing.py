"""Times what choosing a model costs: rules, selection, and decisions alone.

    .venv/bin/python -m benchmarks.micro.choosing DATA

DATA is a published data folder, such as `data`. In this process: rules of several kinds, a selection over 200 models,
100,000 decisions from judgements that are there, and patterns on 64 KiB. Then two servers take turns, one with 50 rules
that have to be evaluated beside one without: the differences of medians in each of five starts count.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.micro.turns import STARTS, clients_of, in_turns
from benchmarks.serving import ServerUnderTest
from fingerpost.bootstrap.planning import rulebook_of
from fingerpost.build.rules.read import read_condition
from fingerpost.patterns import compiled
from fingerpost.serve.decide import decide
from fingerpost.serve.inventory import Inventory
from fingerpost.serve.plan import Plan
from fingerpost.serve.rules import Rulebook, facts_of
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.serve.select import Asked, Lineup, rank
from fingerpost.serve.situation import Situation
from fingerpost.types import (
    Calibration,
    Candidate,
    ConfidenceMap,
    Decider,
    Demands,
    Judgement,
    Model,
    Policy,
    RoutePolicy,
    Rule,
    RuleStage,
    Selection,
    SelectionMode,
)

_RULES, _MODELS, _DECISIONS = 50, 200, 100_000
_TEXT = "why does my loop over the list of orders never end, and how do I stop it"

_KINDS: Mapping[str, Callable[[int], str]] = {
    "ruled out by a literal": lambda n: f'text.contains("zebra {n}") && tokens > 3',
    "evaluated: numbers": lambda n: f"tokens > {1000 + n} && turns == 1",
    "evaluated: metadata": lambda n: f'has(metadata.tier) && metadata.tier != "gold" && tokens > {1000 + n}',
    "evaluated: a pattern": lambda n: f"text.matches('(?i)zebra\\\\s+{n}$')",
}

_PATTERNS = ("(a+)+$", "(a|a)*$", "(.*a){20}", "(x+x+)+y", "(?i)order\\s+number\\s+[0-9]{4,}", "(?:a?){50}a{50}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    for kind, source_of in _KINDS.items():
        took = _rules_us([source_of(number) for number in range(_RULES)])
        print(f"{_RULES} rules {kind}: {took:.0f} us a request")
    for mode in SelectionMode:
        print(f"selection over {_MODELS} models, {mode}: {_selection_us(mode):.1f} us")
    print(f"{_DECISIONS:,} decisions alone: {_decisions_s():.2f} s")
    for pattern in _PATTERNS:
        print(f"pattern {pattern}: {_pattern_ms(pattern):.2f} ms on 64 KiB")
    rows = _calls(data)
    for plain, ruled in rows:
        print(
            f"a cached call without rules {plain:.3f} ms, with {_RULES} evaluated {ruled:.3f} ms (+{ruled - plain:.3f})"
        )
    print(f"median difference: {median(ruled - plain for plain, ruled in rows):+.3f} ms")


def _timed_us(call: Callable[[], object], count: int) -> float:
    """The median of many, in microseconds."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times) * 1e6


def _rule(number: int, source: str) -> Rule:
    read = read_condition(source, RuleStage.BEFORE)
    return Rule(
        f"r{number}", RuleStage.BEFORE, source, read.expression, read.reads, read.needs, read.patterns, model="m0"
    )


def _rules_us(sources: Sequence[str]) -> float:
    book = rulebook_of([_rule(number, source) for number, source in enumerate(sources)])
    return _timed_us(lambda: _judge(book), 500)


def _judge(book: Rulebook) -> None:
    """One request, none of whose rules holds."""
    facts = facts_of(
        _TEXT,
        metadata={"task": "code"},
        tenant="acme",
        tokens=18,
        turns=1,
        time=datetime(2026, 1, 5, tzinfo=UTC),
        detector=None,
    )
    sitting = book.sitting(facts)
    sitting.before()
    sitting.after({"route": "code", "confidence": 0.9, "margin": 0.5, "similarity": 0.6})


def _models() -> list[Model]:
    return [
        Model(
            f"m{number}",
            f"m{number}",
            input_price_usd_micros=1_000 * (number % 37 + 1),
            output_price_usd_micros=3_000 * (number % 41 + 1),
            context_window_tokens=8_000 * (number % 16 + 1),
            capabilities=("json", "tools") if number % 3 else ("json",),
            latency_p50_ms=100 + 7 * (number % 53),
            quality={"default": (number % 29) / 29},
        )
        for number in range(_MODELS)
    ]


def _selection_us(mode: SelectionMode) -> float:
    models = _models()
    names = tuple(model.name for model in models)
    selection = Selection(mode, {name: 100 / len(names) for name in names}, quality_floor=0.2, cost_weight=0.1)
    route = RoutePolicy("code", "", "m0", 0.5, False, None, names, selection)
    inventory = Inventory.of(models)
    lineup = Lineup.of(route, inventory)
    demands = Demands(capabilities=frozenset({"tools"}), input_tokens=20_000)
    asked = Asked("key", 20_000, 300)
    return _timed_us(lambda: rank(lineup, inventory.fits(demands), asked), 2_000)


def _decisions_s() -> float:
    """Of judgements that are there, with ten models in each of twenty routes."""
    models = {model.name: model for model in _models()}
    names = tuple(models)
    routes = tuple(
        RoutePolicy(f"r{n}", "", names[n], 0.5, False, None, names[n : n + 10], Selection(SelectionMode.BEST_VALUE))
        for n in range(20)
    )
    policy = Policy(names[150], names[160:163])
    empty = ConfidenceMap(Calibration.POOLED, 0.0, (0.0, 0.0, 0.0), 1, 0.0)
    plan = Plan.of(Decider(routes, models, policy, DEFAULT_VOTE, empty, 0.5))
    random = np.random.default_rng(1)
    judgements = [
        Judgement(
            (
                Candidate(number % 20, 0.8, 0.7, float(sure), False),
                Candidate((number + 1) % 20, 0.1, 0.3, 0.05, False),
            ),
            (0.0, 0.0, 0.0),
            Calibration.POOLED,
            None,
        )
        for number, sure in enumerate(random.random(1_000))
    ]
    situation = Situation(Demands(input_tokens=900), Asked("key", 900))
    began = time.perf_counter()
    for number in range(_DECISIONS):
        decide(judgements[number % 1_000], plan, situation)
    return time.perf_counter() - began


def _pattern_ms(pattern: str) -> float:
    found, text = compiled(pattern), "ab " * 21_845 + "!"
    return _timed_us(lambda: found.search(text), 20) / 1e3


def _calls(data: Path) -> list[tuple[float, float]]:
    """Milliseconds of a cached call without rules and with those that have to be evaluated."""
    with tempfile.TemporaryDirectory() as folder:
        plain, ruled = (_published(data, Path(folder) / str(count), count) for count in (0, _RULES))
        return [_one_start(plain, ruled) for _ in range(STARTS)]


def _published(data: Path, folder: Path, count: int) -> Path:
    """The starter routes with that many rules, published beside the encoder of the data folder."""
    routes = folder / "routes"
    shutil.copytree(Path(__file__).parents[2] / "routes", routes)
    when = 'has(metadata.tier) && metadata.tier != "gold" && tokens > '
    entries = "".join(
        f"    - {{name: r{number}, when: '{when}{1000 + number}', model: large}}\n" for number in range(count)
    )
    rules = f"rules:\n  before:\n{entries}" if count else ""
    (routes / "_policy.yaml").write_text(f"fallback_model: large\nfallback_chain: [medium]\n{rules}")
    shutil.copytree(data / "encoders", folder / "data" / "encoders")
    command = [sys.executable, "-m", "fingerpost", "reindex", "--routes", str(routes), "--data", str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "data"


def _one_start(plain: Path, ruled: Path) -> tuple[float, float]:
    quiet = {"admin_listen": "none"}
    with clients_of(ServerUnderTest(plain, quiet), ServerUnderTest(ruled, quiet)) as (one, other):
        return in_turns(one, other)


if __name__ == "__main__":
    main()
