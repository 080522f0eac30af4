"""What building costs: a reindex of 15,000 utterances from scratch, and after one more."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.catalogs import imported
from benchmarks.load.bench import Bench

_UTTERANCES = 15_000


def measure(bench: Bench) -> dict[str, Any]:
    """Seconds in a new data folder that holds the encoder and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = imported(bench.sets, Path(folder), _UTTERANCES)
        shutil.copytree(bench.small.data / "encoders", catalog.data / "encoders")
        scratch = catalog.reindex()
        catalog.add_utterance("one more utterance")
        return {"utterances": _UTTERANCES, "scratch_s": scratch, "one_more_s": catalog.reindex()}
