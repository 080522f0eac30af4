"""How many utterances that were moved to a wrong route does lint find, and how often is it wrong? A table.

Of each set's training texts 3 of 100, at random, are moved to another route; lint is asked before and after. Found is a
moved text that FP401 or FP402 names; alarms are texts that they name although nothing was moved, some of them since the
sets themselves are wrong there. The two similarities of the yardstick stand beside.

    .venv/bin/python benchmarks/quality/misplaced.py --sets ../shared/data --data data
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from public_sets import OUT_OF_SCOPE_LABEL, arguments, in_scope

from fingerpost.bootstrap.building import encoder_source, open_workshop
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.imports.formats import import_file
from fingerpost.build.lint.lint import lint, see
from fingerpost.build.lint.yardstick import Yardstick
from fingerpost.build.load import load
from fingerpost.build.reindex import Workshop, cases_of, exemplars_of
from fingerpost.ports import NoProgress

FILES = ("clinc150/train_10shot.jsonl", "banking77/train_10shot.jsonl", "hwu64/train_10shot.jsonl", "hwu64/train.jsonl")
MOVED_SHARE = 0.03
CODES = ("FP401", "FP402")

Rows = Sequence[tuple[str, str]]


def main() -> None:
    given = arguments(__doc__)
    print("set | texts | same | alike | alarms | moved | found")
    with open_workshop(DataFolder(given.data), encoder_source("minilm", "int8"), NoProgress()) as shop:
        for name in FILES:
            rows = list(dict(in_scope(given.sets / name)).items())
            spoiled, moved = misplaced(rows)
            found = moved & named(spoiled, shop)[0]
            alarms, yardstick = named(rows, shop)
            measures = f"{yardstick.same:.2f} | {yardstick.alike:.2f}"
            print(f"{name} | {len(rows)} | {measures} | {len(alarms)} | {len(moved)} | {len(found)}", flush=True)


def misplaced(rows: Rows) -> tuple[Rows, set[str]]:
    """The rows with some under another label, and the texts of these."""
    random = np.random.default_rng(0)
    labels = sorted({label for _, label in rows} - {OUT_OF_SCOPE_LABEL})
    moved = set(random.choice(len(rows), round(MOVED_SHARE * len(rows)), replace=False).tolist())
    spoiled = [
        (text, str(random.choice([other for other in labels if other != label])) if place in moved else label)
        for place, (text, label) in enumerate(rows)
    ]
    return spoiled, {rows[place][0] for place in moved}


def named(rows: Rows, shop: Workshop) -> tuple[set[str], Yardstick]:
    """The texts at whose lines lint warns, and what they were measured by."""
    with tempfile.TemporaryDirectory() as folder:
        source, routes = Path(folder) / "rows.jsonl", Path(folder) / "routes"
        source.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
        import_file(source, routes)
        loaded = load(routes)
    exemplars, vectors_of = exemplars_of(loaded.catalog), shop.vectors_by(shop.plain)
    seen = see(loaded, exemplars, vectors_of([e.text for e in exemplars]), cases_of(loaded.catalog), vectors_of)
    places = {(text.file, text.line): text.text for text in seen.texts}
    findings = lint(loaded, seen, None, NoProgress())
    return {places[finding.file, finding.line] for finding in findings if finding.code in CODES}, seen.yardstick


if __name__ == "__main__":
    main()
