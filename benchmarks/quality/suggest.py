"""Measures what `fingerpost suggest` makes of mixed texts when ten routes of CLINC150 are held out.

    .venv/bin/python benchmarks/quality/suggest.py --sets ../shared/data --data data

Each draw publishes CLINC150's training texts without ten routes, and gives it the validation texts and other training
texts of all routes, those held out and those of out of scope among them. A held-out route is recovered when a suggested
route consists of at least 70 % of its texts and holds at least half of all its texts that were asked; one suggestion
counts once. With --clusterers other ways to cluster are measured on the same unsure texts.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from entries import Row, read
from numpy.typing import NDArray
from public_sets import OUT_OF_SCOPE_LABEL
from recorded import ROOT, header
from systems import Bench, open_bench

from fingerpost.build.study import Study
from fingerpost.build.suggest.clusters import Metric, clusters_of, metric_of
from fingerpost.build.suggest.suggest import SMALLEST, Fresh, Suggestions, fresh_texts, is_sure, suggest
from fingerpost.build.suggest.traffic import Asked
from fingerpost.build.texts import normalised
from fingerpost.cli.progress import progress
from fingerpost.telemetry.logs import configure_logs
from fingerpost.types import OUT_OF_SCOPE, Text, Vectors

HELD_OUT = 10
PURITY = 0.7
SHARE = 0.5


def main() -> None:
    given = _arguments()
    configure_logs("auto", quiet=True)
    results: dict[str, Any] = {**header(), "draws": []}
    rows = {name: read(given.sets / "clinc150" / name) for name in ("train.jsonl.gz", "validation.jsonl")}
    with progress() as bar, open_bench(given.data, bar) as bench:
        for seed in range(given.seeds):
            bar.step(f"draw {seed}")
            results["draws"].append(_draw(rows["train.jsonl.gz"], rows["validation.jsonl"], seed, bench, given))
            _print(results["draws"][-1])
            results["summary"] = _summary(results["draws"])
            given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results["summary"], indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the ten routes")
    parser.add_argument("--utterances", type=int, default=50, help="of a route in the catalog")
    parser.add_argument("--asked", type=int, default=30, help="training texts a route that are asked")
    parser.add_argument("--clusterers", action="store_true", help="measure other ways to cluster too")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/suggest.json", help="results")
    return parser.parse_args()


def _draw(
    train: Sequence[Row], validation: Sequence[Row], seed: int, bench: Bench, given: argparse.Namespace
) -> dict[str, Any]:
    draw = random.Random(seed)  # noqa: S311  # a seeded draw is no secret
    held = set(draw.sample(sorted({row.label for row in train} - {OUT_OF_SCOPE_LABEL}), HELD_OUT))
    catalog, asked = _parted(train, held, draw, given.utterances, given.asked)
    traffic = [*validation, *asked]
    draw.shuffle(traffic)
    bench.publish(catalog)
    labels = {normalised(row.text): row.label for row in traffic}
    texts = [Asked(Text(row.text, "asked", number), 1) for number, row in enumerate(_distinct(traffic), 1)]
    with bench.studied() as (study, files):
        fresh = fresh_texts(texts, study, files)
        started = time.monotonic()
        found = suggest(texts, fresh, study, [])
        seconds = time.monotonic() - started
        rivals = _rivals(fresh, study, held, labels) if given.clusterers else {}
    return {
        "seed": seed,
        "held_out": sorted(held),
        "texts": found.texts,
        "suggest_seconds": round(seconds, 1),
        **_measured(found, held, labels),
        "clusterers": rivals,
    }


def _parted(
    rows: Sequence[Row], held: set[str], draw: random.Random, utterances: int, asked: int
) -> tuple[list[Row], list[Row]]:
    """Utterances of the catalog's routes, and other texts of all labels."""
    by_label: dict[str, list[Row]] = {}
    for row in _distinct(rows):
        by_label.setdefault(row.label, []).append(row)
    catalog, others = [], []
    for label, own in sorted(by_label.items()):
        draw.shuffle(own)
        catalog += [] if label in held or label == OUT_OF_SCOPE_LABEL else own[:utterances]
        others += own[-(100 if label == OUT_OF_SCOPE_LABEL else asked) :]
    known = {normalised(row.text) for row in catalog}
    return catalog, [row for row in others if normalised(row.text) not in known]


def _distinct(rows: Sequence[Row]) -> list[Row]:
    return list({normalised(row.text): row for row in rows}.values())


def _measured(found: Suggestions, held: set[str], labels: Mapping[str, str]) -> dict[str, Any]:
    groups = {new.name: [labels[normalised(text)] for text in new.members] for new in found.new_routes}
    named = {label: name for name, group in groups.items() if (label := _recovers(group, held, labels))}
    offered = [(one.route, labels[normalised(text.text)]) for one in found.for_routes for text in one.utterances]
    kinds = Counter(_kind(group, held) for group in groups.values())
    return {
        "recovered": len(named),
        "names": named,
        "names_with_a_word_of_the_label": sum(_alike(name, label) for label, name in named.items()),
        "new_routes": len(groups),
        "kinds": dict(kinds),
        "missed": sorted(held - named.keys()),
        "for_routes": len(found.for_routes),
        "utterances": len(offered),
        "utterances_right": sum(route == label for route, label in offered),
        "utterances_out_of_scope": sum(label == OUT_OF_SCOPE_LABEL for _, label in offered),
        "utterances_held_out": sum(label in held for _, label in offered),
        "sure": found.sure,
        "unsure": found.unsure,
        "fell_back": found.fell_back,
        "noise": found.noise,
    }


def _recovers(group: Sequence[str], held: set[str], labels: Mapping[str, str]) -> str | None:
    [(label, count)] = Counter(group).most_common(1)
    asked = sum(one == label for one in labels.values())
    return label if label in held and count >= PURITY * len(group) and count >= SHARE * asked else None


def _kind(group: Sequence[str], held: set[str]) -> str:
    [(label, count)] = Counter(group).most_common(1)
    if count < PURITY * len(group):
        return "mixed"
    if label in held:
        return "held out"
    return "out of scope" if label == OUT_OF_SCOPE_LABEL else "known route"


def _alike(name: str, label: str) -> bool:
    """Whether they share a word, or its beginning of four letters."""
    words, others = ({part[:4] for part in one.split("_")} for one in (name, label))
    return bool(words & others)


# --- Other ways to cluster ----------------------------------------------------------------------------------------

Clusterer = Callable[[Vectors, Vectors, Metric], list[NDArray[np.int64]]]
"""Of vectors, the same in the learned metric, and the metric."""


def _average(cut: float) -> Clusterer:
    return lambda plain, turned, metric: clusters_of(plain, cut)


def _average_turned(factor: float) -> Clusterer:
    return lambda plain, turned, metric: clusters_of(turned, metric.cut * factor)


def _hdbscan(smallest: int, *, turned: bool, leaf: bool) -> Clusterer:
    def cluster(plain: Vectors, other: Vectors, metric: Metric) -> list[NDArray[np.int64]]:
        from sklearn.cluster import HDBSCAN

        method = "leaf" if leaf else "eom"
        found = HDBSCAN(min_cluster_size=smallest, cluster_selection_method=method, copy=True)
        numbers = found.fit_predict((other if turned else plain).astype(np.float64))
        return [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]

    return cluster


def _connected(share: float, *, turned: bool) -> Clusterer:
    """Connected parts of the graph of mutual neighbours at least so similar."""

    def cluster(plain: Vectors, other: Vectors, metric: Metric) -> list[NDArray[np.int64]]:
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import connected_components

        vectors = other if turned else plain
        similar = vectors @ vectors.T
        nearest = np.argsort(-similar, axis=1)[:, 1:11]
        linked = np.zeros(similar.shape, dtype=bool)
        np.put_along_axis(linked, nearest, np.take_along_axis(similar, nearest, axis=1) >= share, axis=1)
        count, numbers = connected_components(csr_matrix(linked & linked.T), directed=False)
        return [np.flatnonzero(numbers == number) for number in range(count)]

    return cluster


CLUSTERERS: Mapping[str, Clusterer] = {
    "average linkage, learned metric and cut": _average_turned(1.0),
    **{f"average linkage, learned metric, {factor} of the cut": _average_turned(factor) for factor in (0.6, 0.8, 1.2)},
    **{f"average linkage, cosine {cut}": _average(cut) for cut in (0.4, 0.5, 0.55, 0.6, 0.7)},
    "HDBSCAN": _hdbscan(5, turned=False, leaf=False),
    "HDBSCAN, leaves": _hdbscan(5, turned=False, leaf=True),
    "HDBSCAN, learned metric": _hdbscan(5, turned=True, leaf=False),
    "HDBSCAN, learned metric, leaves": _hdbscan(5, turned=True, leaf=True),
    **{f"mutual neighbours, cosine {share}": _connected(share, turned=False) for share in (0.6, 0.7, 0.8)},
    **{f"mutual neighbours, learned metric, {share}": _connected(share, turned=True) for share in (0.3, 0.4, 0.5)},
}


def _rivals(
    fresh: Sequence[Fresh], study: Study, held: set[str], labels: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Held-out routes that clusters of the unsure texts recover, whatever is made of the clusters."""
    texts = [one.asked.text.text for one in fresh if not is_sure(one.opinion, study.decider.policy.target_precision)]
    own = [labels[normalised(text)] for text in texts]
    routed = [exemplar for exemplar in study.exemplars if exemplar.route != OUT_OF_SCOPE]
    routes = np.array([exemplar.route for exemplar in routed], dtype=np.int64)
    metric = metric_of(study.vectors([exemplar.text for exemplar in routed]), routes)
    plain = study.vectors(texts)
    turned = metric.of(plain)
    found = {}
    for name, cluster in CLUSTERERS.items():
        started = time.monotonic()
        groups = [[own[row] for row in rows] for rows in cluster(plain, turned, metric) if len(rows) >= SMALLEST]
        found[name] = {
            "recovered": len({label for group in groups if (label := _recovers(group, held, labels))}),
            "clusters": len(groups),
            "purity": sum(max(Counter(group).values()) for group in groups) / max(1, sum(map(len, groups))),
            "seconds": round(time.monotonic() - started, 2),
        }
    return found


# --- Writing ------------------------------------------------------------------------------------------------------


def _print(draw: Mapping[str, Any]) -> None:
    print(
        f"draw {draw['seed']}: recovered {draw['recovered']} of {HELD_OUT} as {', '.join(draw['names'].values())}; "
        f"{draw['new_routes']} new routes {draw['kinds']}; utterances {draw['utterances_right']} right of "
        f"{draw['utterances']} for {draw['for_routes']} routes; {draw['sure']} sure, {draw['unsure']} unsure, "
        f"{draw['fell_back']} fell back, {draw['noise']} noise; {draw['suggest_seconds']} s",
        flush=True,
    )
    for name, found in draw["clusterers"].items():
        print(f"  {name}: {found}", flush=True)


def _summary(draws: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median, least and most over the draws."""
    counted = ("recovered", "names_with_a_word_of_the_label", "new_routes", "for_routes", "utterances", "noise")
    values = {name: [draw[name] for draw in draws] for name in counted}
    values["utterances_right_share"] = [
        round(draw["utterances_right"] / max(1, draw["utterances"]), 3) for draw in draws
    ]
    values["new_routes_held_out_share"] = [
        round(draw["kinds"].get("held out", 0) / max(1, draw["new_routes"]), 3) for draw in draws
    ]
    found: dict[str, Any] = {name: _spread(own) for name, own in values.items()}
    for name in draws[0]["clusterers"]:
        found[name] = _spread([draw["clusterers"][name]["recovered"] for draw in draws])
    return found


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "least": min(values), "most": max(values)}


if __name__ == "__main__":
    main()
