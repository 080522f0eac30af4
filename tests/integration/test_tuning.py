"""`backends.encoder.tuning`: tuned by a seed, kept when better on unseen texts, found again, served as any."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.backends.encoder.export import build_encoder
from fingerpost.backends.encoder.folder import EncoderFolder, find
from fingerpost.backends.encoder.source import EncoderSource, Precision
from fingerpost.backends.encoder.tuning import Tuning, find_tuning, tune_encoder, tuned_source
from fingerpost.backends.encoder.tuning_plan import Rows, Task, make_plan
from fingerpost.backends.encoder.tuning_verdict import Probabilities
from fingerpost.errors import FailedPrecondition
from fingerpost.ports import NoProgress, Progress
from fingerpost.types import Vectors
from tests.integration.test_encoder_export import make_model

STEPS_OF_BUILDING = ["export", "fuse", "quantise", "check"]
SIGNS = ["red", "blue", "green", "black", "white", "brown", "pink", "gold"]
FILLERS = ["today", "please", "again", "quickly", "tonight", "somehow", "once", "twice", "slowly", "gladly", "soon"]


@dataclass
class Counted(NoProgress):
    """Progress that remembers each step's name, total and advances."""

    steps: list[str] = field(default_factory=list)
    totals: list[int | None] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def step(self, name: str, total: int | None = None) -> None:
        self.steps.append(name)
        self.totals.append(total)
        self.counts.append(0)

    def advance(self, count: int = 1) -> None:
        self.counts[-1] += count


def fit_nearest_mean(vectors: Vectors, routes: Rows) -> Callable[[Vectors], Probabilities]:
    means = np.stack([vectors[routes == route].mean(axis=0) for route in range(routes.max() + 1)])

    def probabilities(others: Vectors) -> Probabilities:
        grown = np.exp(10.0 * (others @ means.T).astype(np.float64))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True), dtype=np.float64)

    return probabilities


def coloured(each: int = 15, *, shuffled: bool = False) -> Task:
    """Routes told apart by the first of two colours; with shuffled routes there is nothing to learn."""
    chance = random.Random(4)  # noqa: S311
    rows = [(route, sign) for route, sign in enumerate(SIGNS) for _ in range(each)]
    texts = [
        f"from {sign} {chance.choice(FILLERS)} to {chance.choice(SIGNS)} {chance.choice(FILLERS)}" for _, sign in rows
    ]
    routes = [route for route, _ in rows]
    if shuffled:
        chance.shuffle(routes)
    return Task(tuple(texts), tuple(routes))


def tune(
    source: EncoderSource, encoders: Path, task: Task, progress: Progress | None = None, *, gifted: bool = False
) -> Tuning:
    """Tune; when gifted, the tuned encoder is judged by perfect vectors, whatever a few steps made of a small model."""
    plain = find(encoders, source)

    def vectors_of(digest: str) -> Vectors:
        if gifted and digest != plain:
            return np.eye(len(SIGNS), dtype=np.float32)[list(task.routes)]
        return OnnxEncoder.open(encoders / digest, digest).embedder().embed(task.texts)

    return tune_encoder(source, encoders, task, vectors_of, fit_nearest_mean, progress or NoProgress())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> EncoderSource:
    """A small model with random weights, which reads letters."""
    folder = tmp_path_factory.mktemp("small")
    make_model(folder, "mean")
    return EncoderSource(str(folder / "model"), Precision.INT8)


def with_plain(encoders: Path, source: EncoderSource) -> Path:
    build_encoder(source, encoders, NoProgress())
    return encoders


# --- The default encoder ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tuned_default(tmp_path_factory: pytest.TempPathFactory, encoders_folder: Path, encoder_digest: str) -> Path:
    """A folder of encoders with the default one in it, to be written to."""
    encoders = tmp_path_factory.mktemp("tuned") / "encoders"
    shutil.copytree(encoders_folder / encoder_digest, encoders / encoder_digest)
    shutil.copytree(encoders_folder / "sources", encoders / "sources")
    return encoders


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_default_is_tuned_and_served(tuned_default: Path, encoder_digest: str) -> None:
    """Tuned on routes that it tells apart badly, it is better on unseen texts, has another name, and opens as any."""
    task, progress = coloured(), Counted()
    made = tune(EncoderSource(), tuned_default, task, progress)
    assert made.accepted, made.verdict
    assert made.verdict.tuned_accuracy > made.verdict.plain_accuracy
    plan = make_plan(task)
    assert (made.held_out == plan.held_out).all()
    assert (made.outside == plan.outside).all()
    for digest in (made.served, made.proof):
        opened = OnnxEncoder.open(tuned_default / digest, digest)
        assert (opened.encoder.name, opened.precision) == ("minilm-tuned", Precision.INT8)
    steps = ["load weights", "tune on a share", *STEPS_OF_BUILDING, "tune on all texts", *STEPS_OF_BUILDING]
    assert progress.steps == steps
    assert progress.counts[1] == progress.totals[1]
    assert progress.counts[6] == progress.totals[6]
    assert find(tuned_default, EncoderSource()) == encoder_digest


# --- A small model ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_encoders(tmp_path: Path, small: EncoderSource) -> None:
    """Two tunings into two places share every byte of both encoders; another seed gives other ones."""
    made = [tune(small, with_plain(tmp_path / name, small), coloured(), gifted=True) for name in ("one", "two")]
    assert made[0].accepted, made[0].verdict
    assert (made[0].served, made[0].proof) == (made[1].served, made[1].proof)
    assert made[0].verdict == made[1].verdict
    other = tune(small, tmp_path / "one", replace(coloured(), seed=1), gifted=True)
    assert other.proof != made[0].proof


def test_equal_texts_are_not_tuned_on_twice(tmp_path: Path, small: EncoderSource) -> None:
    """A second tuning finds the first without a step; other texts find nothing; a plain source finds the plain one."""
    encoders, task = with_plain(tmp_path / "encoders", small), coloured()
    plain = find(encoders, small)
    assert find_tuning(small, encoders, task) is None
    made, progress = tune(small, encoders, task, gifted=True), Counted()
    again = tune(small, encoders, task, progress, gifted=True)
    assert progress.steps == []
    assert (again.served, again.proof, again.verdict) == (made.served, made.proof, made.verdict)
    assert (again.held_out == made.held_out).all()
    assert find(encoders, small) == plain != made.served
    assert find(encoders, tuned_source(small, task, proof=False)) == made.served
    assert EncoderFolder.open(encoders / made.served, made.served).manifest.source.tuned is not None
    assert find_tuning(small, encoders, coloured(16)) is None


def test_a_lost_encoder_is_tuned_anew(tmp_path: Path, small: EncoderSource) -> None:
    """A tuning whose served encoder is gone is not found, and comes out the same."""
    encoders, task = with_plain(tmp_path / "encoders", small), coloured()
    made = tune(small, encoders, task, gifted=True)
    (encoders / made.served).rename(tmp_path / "elsewhere")
    assert find_tuning(small, encoders, task) is None
    assert tune(small, encoders, task, gifted=True).served == made.served


def test_what_is_not_better_is_refused_once(tmp_path: Path, small: EncoderSource) -> None:
    """Routes without rhyme or reason leave no encoder but the plain one, and the refusal is remembered."""
    encoders, task = with_plain(tmp_path / "encoders", small), coloured(shuffled=True)
    made = tune(small, encoders, task)
    assert not made.accepted
    assert (made.served, made.proof) == ("", "")
    assert [path.name for path in encoders.glob("*/encoder.json")] == ["encoder.json"]
    progress = Counted()
    assert tune(small, encoders, task, progress).verdict == made.verdict
    assert progress.steps == []


def test_a_small_catalog_is_refused_without_torch_work(tmp_path: Path, small: EncoderSource) -> None:
    """With too little to prove a tuning by, nothing is loaded."""
    progress = Counted()
    made = tune(small, tmp_path, Task(("one", "two", "three"), (0, 1, 2)), progress)
    assert not made.accepted
    assert "too few" in made.verdict.why
    assert progress.steps == []


def test_the_plain_encoder_comes_first(tmp_path: Path, small: EncoderSource) -> None:
    """Without a stored plain encoder there is nothing to beat, and the error says what to do."""
    with pytest.raises(FailedPrecondition, match="reindex"):
        tune(small, tmp_path, coloured())
