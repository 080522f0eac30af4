"""Catalogs to measure with: made of CLINC150's training texts, published in data folders that are kept between runs."""

import gzip
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SIZES = {1_500: "train_10shot.jsonl", 15_000: "train.jsonl.gz"}
"""Utterances by file of `clinc150/` in the folder of the public sets (Larson et al. 2019; rows {"text", "label"})."""

CATALOG = "default"


class SetsMissingError(Exception):
    """The folder of the public sets is not there, or lacks a file."""


def texts_of(sets: Path, file: str) -> list[str]:
    """The texts of a file of the public sets, in its order.

    Raises:
        SetsMissingError
    """
    path = existing(sets, file)
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def existing(sets: Path, file: str) -> Path:
    """The path of a file of the public sets.

    Raises:
        SetsMissingError
    """
    path = sets / file
    if not path.is_file():
        raise SetsMissingError(f"{path} is absent: give the folder of the public sets with --sets")
    return path


def queries(sets: Path, count: int) -> list[str]:
    """Short requests: CLINC150's validation texts, evenly picked."""
    texts = texts_of(sets, "clinc150/validation.jsonl")
    return texts[:: max(1, len(texts) // count)][:count]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A published catalog: its route folder and its data folder."""

    routes: Path
    data: Path

    def reindex(self) -> float:
        """Publish the routes as they are now; gives seconds."""
        started = time.perf_counter()
        fingerpost("reindex", "--routes", self.routes, "--data", self.data)
        return time.perf_counter() - started

    def add_utterance(self, text: str) -> None:
        """Write one more utterance into the first route, unless it stands there."""
        path = min(self.routes.glob("[!_]*.yaml"))
        content = path.read_text(encoding="utf-8")
        if text not in content:
            path.write_text(content.replace("utterances:\n", f"utterances:\n  - {text}\n", 1), encoding="utf-8")

    @property
    def encoder(self) -> Path:
        """The folder of its encoder."""
        [folder] = [path for path in (self.data / "encoders").iterdir() if (path / "encoder.json").exists()]
        return folder

    @property
    def revision(self) -> str:
        """Digest of the active revision."""
        pointer = json.loads((self.data / "catalogs" / f"{CATALOG}.json").read_text(encoding="utf-8"))
        return str(pointer["revision"])


def imported(sets: Path, folder: Path, utterances: int) -> Catalog:
    """A catalog of that size in the folder, its routes written anew, not published.

    Raises:
        SetsMissingError
    """
    catalog = Catalog(folder / f"routes-{utterances}", folder / f"data-{utterances}")
    source = existing(sets, f"clinc150/{SIZES[utterances]}")
    if catalog.routes.exists():
        shutil.rmtree(catalog.routes)
    fingerpost("import", source, "--out", catalog.routes)
    return catalog


def published(sets: Path, folder: Path, utterances: int, encoders: Iterable[Path] = ()) -> Catalog:
    """A catalog of that size in the folder, published by the code as it is; vectors of an earlier run are reused.

    Args:
        sets: Folder of the public sets.
        folder: Made where it does not exist; kept afterwards.
        utterances: One of SIZES.
        encoders: Folders of built encoders; the first that exists is copied, else the first reindex builds one.

    Raises:
        SetsMissingError
    """
    catalog = imported(sets, folder, utterances)
    known = next((path for path in encoders if path.is_dir()), None)
    if known and not (catalog.data / "encoders").exists():
        shutil.copytree(known, catalog.data / "encoders")
    catalog.reindex()
    return catalog


def fingerpost(*arguments: object) -> None:
    """Run a command of ours; its output is shown when it fails."""
    command: Sequence[str] = [sys.executable, "-m", "fingerpost", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
