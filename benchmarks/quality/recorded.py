"""What results say of themselves: the code, the command and the machine that made them."""

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def header() -> dict[str, Any]:
    """To be written with results; the commit has a mark when its files differ from it."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    script, *arguments = sys.argv
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", "server", "benchmarks/quality")
    return {
        "commit": f"{commit}, changed" if changed else commit,
        "command": shlex.join(["python", f"benchmarks/quality/{Path(script).name}", *arguments]),
        "machine": {
            "cpu": model.partition(":")[2].strip(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()
