"""Where and with what something was measured: the commit, the machine, the versions of what counts."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

_PACKAGES = (
    "faiss-cpu", "grpcio", "numpy", "onnxruntime", "semantic-router", "sentence-transformers", "tokenizers", "torch",
)  # fmt: skip


def commit_of(*paths: str) -> str:
    """The commit of the code; with a mark when files under one of the paths differ from it."""
    commit = _output("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{commit}, changed" if _output("git", "status", "--porcelain", "--", *paths) else commit


def machine() -> dict[str, Any]:
    """What the numbers depend on beside the code."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1e6, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _field(path: str, name: str) -> str:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "0")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()
