"""What building and serving an encoder weigh: the first table of decision 0001.

    .venv/bin/python benchmarks/micro/weight.py ENCODERS

ENCODERS is a folder that holds the default encoder, such as `data/encoders`. Each import runs in three fresh processes,
opening a stored encoder (checksums and canaries included) and one more embedder seven times; medians are printed.
"""

import argparse
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource

_SIDES = {
    "building": ("sentence_transformers", ["torch*", "transformers", "sentence_transformers", "sklearn", "scipy*"]),
    "serving": ("onnxruntime, tokenizers", ["onnxruntime", "tokenizers"]),
}
_PROBE = """
import resource, time
started = time.perf_counter()
import {modules}
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", type=Path)
    encoders = parser.parse_args().encoders
    for side, (modules, packages) in _SIDES.items():
        seconds, megabytes = zip(*(_imported(modules) for _ in range(3)), strict=True)
        print(f"{side}: import {modules}: {median(seconds):.1f} s, {median(megabytes):.0f} MB resident")
        print(f"{side}: on disk {sum(map(_disk_bytes, packages)) / 1e6:.0f} MB")
    digest = find(encoders, EncoderSource())
    if digest is None:
        sys.exit(f"weight: {encoders} holds no default encoder: reindex first")
    encoder = OnnxEncoder.open(encoders / digest, digest)
    print(f"opening a stored encoder: {_seconds(lambda: OnnxEncoder.open(encoders / digest, digest)):.2f} s")
    print(f"one more embedder: {_seconds(encoder.embedder):.2f} s")


def _imported(modules: str) -> tuple[float, float]:
    command = [sys.executable, "-c", _PROBE.format(modules=modules)]
    seconds, megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(megabytes)


def _disk_bytes(pattern: str) -> int:
    folders = Path(sysconfig.get_paths()["purelib"]).glob(pattern)
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def _seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(7):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)


if __name__ == "__main__":
    main()
