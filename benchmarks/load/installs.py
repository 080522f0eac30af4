"""What an installation weighs: the distributions that the package and its extra `server` bring, as they are here."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from statistics import median
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.load.bench import Bench
from benchmarks.machine import ROOT

_IMPORT = "import time; s = time.perf_counter(); import fingerpost.client; print(time.perf_counter() - s)"


def measure(bench: Bench) -> dict[str, Any]:
    """Sizes on disk in MB, and seconds of importing the client in a fresh interpreter."""
    base, server = needed(""), needed("server")
    return {
        "base_mb": _megabytes(base),
        "base_distributions": len(base),
        "server_mb": _megabytes(server),
        "server_distributions": len(server),
        "import_s": median(_import_seconds() for _ in range(bench.count(3, 7))),
    }


def needed(extra: str, package: str = "fingerpost") -> set[str]:
    """Names of all distributions that the package with this extra brings, those of extras they ask for included."""
    found: set[str] = set()
    waiting = [(package, frozenset({extra}))]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # only asked for on another platform
        found.add(canonicalize_name(name))
        for requirement in map(Requirement, requirements):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": one}) for one in extras | {""}):
                step = (requirement.name, frozenset(requirement.extras))
                if step not in seen:
                    seen.add(step)
                    waiting.append(step)
    return found


def _megabytes(names: set[str]) -> float:
    files = {Path(str(file.locate())).resolve() for name in names for file in distribution(name).files or []}
    ours = set((ROOT / "server/fingerpost").rglob("*.py"))  # installed for editing, its files are not listed
    return sum(path.stat().st_size for path in files | ours if path.is_file()) / 1e6


def _import_seconds() -> float:
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
    return float(done.stdout)
