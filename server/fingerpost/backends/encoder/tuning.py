"""Tunes an encoder on a catalog's own utterances, and keeps what came of it beside the encoders.

In order: hold a share of the texts back, tune on the rest, export the result as the *proof* encoder, judge it on what
was held back, and only when it is better tune on all texts and export the *served* encoder. The file
`encoders/tunings/<key>.json` remembers the verdict, also a refusal, so that equal texts are not tuned on twice.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from fingerpost.backends.encoder.export import store_model
from fingerpost.backends.encoder.folder import find, remove_encoder
from fingerpost.backends.encoder.loading import load_model, quiet
from fingerpost.backends.encoder.source import EncoderSource, Tuned, describe, locate
from fingerpost.backends.encoder.tuning_loop import Tuner
from fingerpost.backends.encoder.tuning_plan import RECIPE_VERSION, Mask, Plan, Task, make_plan
from fingerpost.backends.encoder.tuning_verdict import FitHead, judge, refusal
from fingerpost.durable import lock, put_file, storing
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.ports import Progress
from fingerpost.types import TuningVerdict, Vectors

_log = structlog.get_logger(__name__)

_SCHEMA_VERSION = 1

VectorsOf = Callable[[str], Vectors]
"""From the digest of a stored encoder to the vectors of the task's texts: shape (n, dim), float32, unit rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """What came of tuning; without encoders when it was refused, and the plain one is to be kept."""

    verdict: TuningVerdict
    served: str  # digest; "" when refused
    proof: str  # digest of the encoder that never saw the held-out texts; "" when refused
    held_out: Mask  # shape (n,): the texts that may be calibrated on, with the proof encoder's vectors
    outside: Mask  # shape (n,): those of them out of the proof encoder's scope: out-of-scope texts, or routes left out

    @property
    def accepted(self) -> bool:
        return self.verdict.accepted


def tune_encoder(
    source: EncoderSource, encoders: Path, task: Task, vectors_of: VectorsOf, fit_head: FitHead, progress: Progress
) -> Tuning:
    """What came of tuning on the task's texts before, else tune now.

    Args:
        source: The plain encoder, which must be stored already.
        encoders: The folder of encoders.
        task: Texts with their routes, and the seed.
        vectors_of: Embeds the task's texts; called with the digests of the plain and the proof encoder.
        fit_head: Makes the head by which the two are compared.
        progress: Hears the steps "load weights", "tune on a share", "tune on all texts", and those of `build_encoder`.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, the plain encoder is not stored or the extra `build` is missing.
        DataLoss: the default's weights are not the published ones.
        StorageFull: no half of an encoder is left behind.
    """
    known = find_tuning(source, encoders, task)
    if known is not None:
        return known
    plan = make_plan(task)
    if not plan.sufficient:
        return _tuning(refusal("the catalog has too few routes or utterances to tune on and to prove it by"), plan)
    made = _tune(source, encoders, task, plan, vectors_of, fit_head, progress)
    _remember(source, encoders, task, made)
    _log.info("encoder_tuned", accepted=made.accepted, **_figures(made.verdict))
    return made


def find_tuning(source: EncoderSource, encoders: Path, task: Task) -> Tuning | None:
    """What came of an equal task before; None when there was none, or an encoder of it cannot be opened any more.

    Loads neither weights nor the libraries that build.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, the source's name means nothing.
    """
    try:
        row = json.loads(_record(source, encoders, task).read_bytes())
        if row["schema_version"] != _SCHEMA_VERSION:
            return None
        verdict = TuningVerdict(**row["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # whatever is wrong with it, tuning anew mends it
    if not verdict.accepted:
        return _tuning(verdict, make_plan(task))
    served = find(encoders, tuned_source(source, task, proof=False))
    proof = find(encoders, tuned_source(source, task, proof=True))
    if served is None or proof is None:
        return None
    return _tuning(verdict, make_plan(task), served, proof)


def tuned_source(source: EncoderSource, task: Task, *, proof: bool) -> EncoderSource:
    """Which of the two encoders that a tuning makes; `folder.find` finds it."""
    return replace(source, tuned=Tuned(task.digest, task.seed, RECIPE_VERSION, proof))


def _tune(
    source: EncoderSource,
    encoders: Path,
    task: Task,
    plan: Plan,
    vectors_of: VectorsOf,
    fit_head: FitHead,
    progress: Progress,
) -> Tuning:
    plain = find(encoders, source)
    if plain is None:
        raise FailedPrecondition(
            "the plain encoder is not built yet: reindex without tuning first", ErrorReason.ENCODER_UNAVAILABLE
        )
    progress.step("load weights")
    with quiet():
        model = load_model(locate(source), source.prompt)
        tuner = Tuner(model, task.texts, task.seed)
        found = tuner.search(plan, progress)
    if not found.steps:
        return _tuning(refusal("no step of the tuning was better on the texts that were kept from it"), plan)
    proof = store_model(describe(tuned_source(source, task, proof=True)), model, encoders, progress)
    verdict = judge(plan, vectors_of(plain), vectors_of(proof), fit_head)
    verdict = replace(verdict, steps=found.steps, mix=found.mix)
    if not verdict.accepted:
        remove_encoder(encoders, proof)
        return _tuning(verdict, plan)
    with quiet():
        tuner.repeat(plan, found, progress)
    served = store_model(describe(tuned_source(source, task, proof=False)), model, encoders, progress)
    return _tuning(verdict, plan, served, proof)


def _tuning(verdict: TuningVerdict, plan: Plan, served: str = "", proof: str = "") -> Tuning:
    return Tuning(verdict, served, proof, plan.held_out, plan.outside)


def _record(source: EncoderSource, encoders: Path, task: Task) -> Path:
    return encoders / "tunings" / f"{describe(tuned_source(source, task, proof=False)).key}.json"


def _remember(source: EncoderSource, encoders: Path, task: Task, made: Tuning) -> None:
    path = _record(source, encoders, task)
    row = {"schema_version": _SCHEMA_VERSION, "verdict": dataclasses.asdict(made.verdict)}
    with storing("the tuning"), lock(encoders / ".lock"):
        path.parent.mkdir(exist_ok=True)
        put_file(path, json.dumps(row, sort_keys=True, indent=1).encode())


def _figures(verdict: TuningVerdict) -> dict[str, float]:
    fields = dataclasses.asdict(verdict)
    return {name: fields[name] for name in fields if name not in ("accepted", "why")}
