"""The public sets that the quality benchmarks read: JSON Lines of {"text", "label"}, one folder a set.

CLINC150 (Larson et al. 2019), BANKING77 (Casanueva et al. 2020) and HWU64 (Liu et al. 2019), each with
`train_5shot.jsonl`, `train_10shot.jsonl` and `validation.jsonl`; the label `oos` means out of scope.
"""

import argparse
import json
import sys
from pathlib import Path

SETS = ("clinc150", "banking77", "hwu64")
OUT_OF_SCOPE_LABEL = "oos"


def arguments(description: str | None) -> argparse.Namespace:
    """`sets` and `data` of the command line; ends the program when the sets are absent."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    given = parser.parse_args()
    missing = [name for name in SETS if not (given.sets / name).is_dir()]
    if missing:
        sys.exit(f"{parser.prog}: {given.sets} lacks {', '.join(missing)}: give the folder of the sets with --sets")
    return given


def in_scope(path: Path) -> list[tuple[str, str]]:
    """Texts with their labels, those out of scope left out."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["text"], row["label"]) for row in rows if row["label"] != OUT_OF_SCOPE_LABEL]
