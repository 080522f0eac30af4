"""The page of the results: docs/performance.md, made of the results file alone, page.txt and reasons.json."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from benchmarks.load.budgets import Verdict, verdicts, with_range, written
from benchmarks.load.plots import draw

_WORDS = Path(__file__).with_name("page.txt")
_REASONS = Path(__file__).with_name("reasons.json")
"""Why a budget is missed, kept by hand under the budget's name."""

_NOT_MEASURED = "Not measured in this run."

_SYSTEMS = {
    "encoder": "our encoder alone, in another process",
    "fingerpost": "Fingerpost over gRPC",
    "onnx": "semantic-router in process, our encoder",
    "onnx_grpc": "the same behind a gRPC server",
    "torch": "semantic-router in process, its LocalEncoder (torch)",
    "torch_grpc": "the same behind a gRPC server",
}


def render(results: dict[str, Any], page: Path, soak: dict[str, Any] | None = None) -> None:
    """Write the page and its plots; `soak` is what a soak found, where one was made."""
    parts = results["parts"]
    plots = draw(parts, page.parent / "images" / page.stem)
    titles = {
        "latency": "Latency against the rate offered",
        "percentiles": "Latency by percentile",
        "overload": "What became of the calls under overload",
        "peers": "One caller's median beside semantic-router",
    }
    images = {f"{name}_plot": f"![{titles[name]}]({plots[name]})" if name in plots else "" for name in titles}
    words = Template(_WORDS.read_text(encoding="utf-8"))
    page.write_text(words.substitute(_tables(results), soak=_soak(soak), **images), encoding="utf-8")


def _tables(results: dict[str, Any]) -> dict[str, str]:
    parts, machine, settings = results["parts"], results["machine"], results["settings"]
    reasons = json.loads(_REASONS.read_text(encoding="utf-8"))
    tables: dict[str, tuple[str, Callable[[Any], str]]] = {
        "call": ("call", _call),
        "closed": ("phases", _closed),
        "steps": ("phases", _steps),
        "phases": ("phases", _phases),
        "overload": ("phases", _overload),
        "saturation": ("saturation", _saturation),
        "loop": ("loop", _loop),
        "shares": ("shares", _shares),
        "lengths": ("lengths", _lengths),
        "crowd": ("crowd", _crowd),
        "peers": ("peers", _peers),
        "peers_many": ("peers", _peers_many),
    }
    return {
        "machine": f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']:g} GB, "
        f"Linux {machine['kernel']}, Python {machine['python']}",
        "versions": ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        "pinned": _pinned(settings),
        "command": "\n".join(_commands(parts, settings)),
        "measured": _measured(parts),
        "budgets": _budgets(verdicts(parts), reasons),
        **{
            name: make(parts[part]["measured"]) if part in parts else _NOT_MEASURED
            for name, (part, make) in tables.items()
        },
    }


# --- Tables -------------------------------------------------------------------------------------------------------


def _budgets(found: Sequence[Verdict], reasons: Mapping[str, str]) -> str:
    rows = []
    for one in found:
        said = {True: "met", False: "missed", None: "not measured"}[one.met]
        reason = reasons.get(one.budget.name, "") if one.met is False else ""
        rows.append([one.budget.what, one.budget.bound, one.measured, f"{said}: {reason}" if reason else said])
    return _table(["what", "budget", "measured", ""], rows)


def _measured(parts: Mapping[str, Any]) -> str:
    rows = [[f"`{name}`", part["mode"], part["commit"], f"{part['seconds']:.0f} s"] for name, part in parts.items()]
    return _table(["part", "how", "commit", "time"], rows)


def _commands(parts: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """What measures the same parts again, a line for each length of run."""
    named: dict[str, list[str]] = {}
    for name, part in parts.items():
        named.setdefault(part["mode"], []).append(name)
    pin = " --pin" if settings["pinned"] else ""
    return [f"scripts/bench {mode} --only {','.join(names)}{pin}" for mode, names in named.items()]


def _pinned(settings: Mapping[str, Any]) -> str:
    if settings["pinned"]:
        return "The server is pinned to the first core and the generators to the others."
    return "Nothing is pinned: the server and the generators share all cores, so the generators' work is included."


def _call(call: Mapping[str, Any]) -> str:
    rows = [
        [label, _ms(call[key])]
        for label, key in (("encoder alone", "encoder_ms"), ("empty call", "empty_ms"), ("`Route`", "route_ms"))
    ]
    rows += [[f"of it: {name.removesuffix('_us')}", _ms(value / 1e3)] for name, value in call["stages"].items()]
    return _table(["median of one caller", "ms"], rows)


def _closed(phases: Mapping[str, Any]) -> str:
    rows = [[str(row["callers"]), _rate(row["goodput_per_s"]), *_times(row), _share(row)] for row in phases["a"]]
    return _table(["callers", "answered a second", "p50 ms", "p99 ms", "answered"], rows)


def _steps(phases: Mapping[str, Any]) -> str:
    rows = [
        [arrivals, f"{row['share']:.0%}", _rate(row["offered_per_s"]), *_times(row), _share(row), _lag(row)]
        for arrivals, steps in phases["b"].items()
        for row in steps
    ]
    heads = ["arrivals", "of the ceiling", "offered a second", "p50 ms", "p99 ms", "answered", "generator lag p99 ms"]
    return _table(heads, rows)


def _phases(phases: Mapping[str, Any]) -> str:
    names = {
        "half": "half the knee",
        "c": "C: 0.8 of the knee",
        "knee": "the knee",
        "f": "F: half the knee after the overload",
        "g": "G: 0.8 of the knee, revisions taking turns",
    }
    rows = []
    for name, label in names.items():
        run = phases[name]
        times = run["codes"].get("OK", {})
        tail = [_ms(times.get(key)) for key in ("p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms")]
        server = run["server"]
        size = f"{server['memory_mb']['highest']:.0f}"
        rows.append([label, _rate(run["offered_per_s"]), str(run["sent"]), _share(run), *tail, size, _lag(run)])
    heads = ["load", "offered a second", "calls", "answered", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "longest ms"]
    return _table([*heads, "memory MB", "generator lag p99 ms"], rows)


def _overload(phases: Mapping[str, Any]) -> str:
    rows = []
    for name, label in (("d", "D: twice"), ("e", "E: ten times")):
        run = phases[name]
        refused = run["codes"].get("RESOURCE_EXHAUSTED", {})
        others = {code: row["count"] for code, row in run["codes"].items() if code not in ("OK", "RESOURCE_EXHAUSTED")}
        reached = run["flood_achieved_per_s"] + run["achieved_per_s"]
        told = run["refusals_with_pushback"] / refused["count"] if refused else None
        rows.append([
            label,
            _rate(run["offered_per_s"]),
            _rate(reached),
            _rate(run["goodput_per_s"]),
            _rate(run["server"]["calls_per_s"].get("RESOURCE_EXHAUSTED", 0.0)),
            "".join(f"{time} / " for time in _times(run)).removesuffix(" / "),
            f"{_ms(refused.get('p50_ms'))} / {_ms(refused.get('p99_ms'))}",
            written(told, "%"),
            ", ".join(f"{count} {code}" for code, count in others.items()) or "none",
            _lag(run),
        ])  # fmt: skip
    heads = ["load", "offered", "reached the server", "answered in time", "refused", "accepted p50 / p99 ms"]
    more = ["refused p50 / p99 ms", "refusals that name a time", "other codes in the sample", "generator lag p99 ms"]
    return _table([*heads, *more], rows)


def _saturation(saturation: Mapping[str, Any]) -> str:
    names = {
        "one_thread": "1 embedding thread, a queue as long as it takes",
        "two_threads": "2 embedding threads, likewise",
        "default_queue": "1 embedding thread, the default queue; h2load does not wait when it is refused",
    }
    keys = ("ratio", "served_per_s", "in_process_per_s", "refused_per_s")
    cases = saturation["cases"]
    rows = [[label, *(with_range(cases[name][key]) for key in keys)] for name, label in names.items() if name in cases]
    return _table(["server", "ratio", "answered a second", "in process", "refused a second"], rows)


def _loop(loop: Mapping[str, Any]) -> str:
    names = {"texts": "texts", "vectors": "vectors that callers bring", "hits": "hits of the exact cache"}
    keys = ("per_s", "loop_us", "loop_share", "engine_us", "engine_share")
    rows = [[label, *(with_range(loop[name][key]) for key in keys)] for name, label in names.items()]
    fed = f"One loop feeds about {loop['threads_fed']:.1f} embedding threads on cores of their own with such texts."
    heads = [
        "calls",
        "answered a second",
        "loop us a call",
        "cores of the loop",
        "engine us a call",
        "cores of the engine",
    ]
    return f"{_table(heads, rows)}\n\n{fed}"


def _shares(shares: Mapping[str, Any]) -> str:
    rows = [
        [
            f"{row['asked_share']:.0%}",
            f"{row['found_share']:.0%}",
            _rate(row["closed"]["goodput_per_s"]),
            _rate(row["steady"]["offered_per_s"]),
            *_times(row["steady"]),
        ]
        for row in shares["shares"]
    ]
    callers = shares["callers"]
    heads = ["known texts asked", "found in the cache", f"answered a second, {callers} callers"]
    return _table([*heads, "half of that offered", "p50 ms", "p99 ms"], rows)


def _lengths(lengths: Mapping[str, Any]) -> str:
    names = {"short": "short queries", "prompts": "prompts, 1 % of 8 KiB"}
    rows = []
    for name, label in names.items():
        one = lengths[name]
        size = f"{one['bytes_median']:g} / {one['bytes_longest']:,}"
        rates = [_rate(one["closed"]["goodput_per_s"]), _rate(one["steady"]["offered_per_s"])]
        rows.append([label, size, *rates, *_times(one["steady"])])
    callers = lengths["short"]["callers"]
    heads = ["texts", "median / longest bytes", f"answered a second, {callers} callers", "half of that offered"]
    return _table([*heads, "p50 ms", "p99 ms"], rows)


def _crowd(crowd: Mapping[str, Any]) -> str:
    driver, h2load = crowd["driver"], crowd["h2load"]
    rows = [
        ["the driver", code, f"{row['count']:,}", _ms(row.get("p50_ms")), _ms(row.get("p99_ms")), _ms(row["max_ms"])]
        for code, row in driver["codes"].items()
    ]
    times = h2load["times"]
    counted = ", ".join(f"{count:,.0f} {code}" for code, count in h2load["codes"].items())
    rows.append(
        ["h2load", f"any; the server counts {counted}", f"{h2load['done']:,}", *(_ms(times.get(key)) for key in _SHOWN)]
    )
    return _table(["generator", "answer", "calls", "p50 ms", "p99 ms", "longest ms"], rows)


def _soak(soak: Mapping[str, Any] | None) -> str:
    if soak is None:
        return _NOT_MEASURED
    rows = [[row["what"], row["bound"], row["measured"], row["said"]] for row in soak["verdicts"]]
    sent, rate = soak["traffic"]["sent"], soak["rate_per_s"]
    told = f"`{soak['command']}` at {soak['commit']}: {sent:,} calls at {rate:g} a second, "
    told += f"{soak['activations']} activations.\n\n"
    return told + _table(["what", "bound", "measured", ""], rows)


_SHOWN = ("p50_ms", "p99_ms", "max_ms")


def _peers(peers: Mapping[str, Any]) -> str:
    rows = [
        [label, with_range(peers["p50_ratio"][name]), with_range(peers["p50_ms"][name])]
        for name, label in _SYSTEMS.items()
    ]
    return _table(["system", "over Fingerpost", "p50 ms"], rows)


def _peers_many(peers: Mapping[str, Any]) -> str:
    rows = [
        [_SYSTEMS["fingerpost"], "1", with_range(peers["per_s"]["fingerpost"])],
        *(
            [f"{_SYSTEMS[name.removesuffix('_grpc')]}, behind gRPC".replace(" in process", ""),
             with_range(peers["per_s_ratio"][name]), with_range(peers["per_s"][name])]
            for name in ("onnx_grpc", "torch_grpc")
        ),
    ]  # fmt: skip
    return _table(["system", "Fingerpost over it", f"answered a second, {peers['callers']} callers"], rows)


# --- Writing ------------------------------------------------------------------------------------------------------


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *rows])


def _times(run: Mapping[str, Any]) -> list[str]:
    times = run["codes"].get("OK", {})
    return [_ms(times.get("p50_ms")), _ms(times.get("p99_ms"))]


def _share(run: Mapping[str, Any]) -> str:
    return "all" if run["ok_share"] == 1.0 else f"{100 * run['ok_share']:.1f} %"


def _lag(run: Mapping[str, Any]) -> str:
    lag = run["generator_lag"] or {}
    return _ms(lag.get("p99_ms")) + (" (void)" if run["void"] else "")


def _ms(value: float | None) -> str:
    return written(value, "")


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
