"""The tuning itself, with torch: supervised contrastive steps, early stopping, and the mix with the plain weights.

Texts of one route are drawn together and those of different routes apart: Khosla et al. 2020, "Supervised Contrastive
Learning". The result is mixed with the plain weights: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".
"""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fingerpost.backends.encoder.loading import LoadedModel
from fingerpost.backends.encoder.tuning_plan import Plan, Rows, batches, planned_steps, rate
from fingerpost.ports import Progress
from fingerpost.types import Vectors

TEMPERATURE = 0.07
LEARNING_RATE = 7e-5
WEIGHT_DECAY = 0.01

_CHECKS = 5  # of the held-out share, evenly over the steps
_PATIENCE = 2  # checks without a gain, after which a tuning stops
_MIXES = (1.0, 0.75, 0.5)  # shares of the tuned weights that are tried
_SLICES = 4  # of a batch, by length, so that little is padded
_MAX_TOKENS = 128  # of a text while tuning; longer ones are cut
_GAUGE_TEXTS = 1000  # of each side, at most: enough to compare two states, and quick
_GAUGE_TEMPERATURES = (0.03, 0.05, 0.07, 0.1, 0.15)
_ENCODE_TEXTS = 64  # at a time

State = dict[str, Any]
"""A model's weights by name, as torch tensors."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the held-out share said: how long to tune, and how much of it to keep."""

    steps: int  # 0: no state was better than the plain one
    mix: float  # (0, 1]: the share of the tuned weights


class Tuner:
    """Tunes one loaded model, always from its plain weights."""

    def __init__(self, model: LoadedModel, texts: Sequence[str], seed: int) -> None:
        self._model = model
        self._seed = seed
        self._plain = weights_of(model)
        tokenizer = model.transformer.tokenizer
        window = min(model.transformer.max_seq_length or _MAX_TOKENS, _MAX_TOKENS)
        prompted = [model.prompt + text for text in texts]
        self._ids: list[list[int]] = tokenizer(prompted, truncation=True, max_length=window)["input_ids"]

    def search(self, plan: Plan, progress: Progress) -> Found:
        """Tune on what the plan gives to learn from, and find the steps and the mix that suit the held-out texts best.

        Leaves the model as found. Progress hears the step "tune on a share", counted in batches.
        """
        steps = planned_steps(len(plan.learned))
        progress.step("tune on a share", steps)
        gauge = _Gauge(plan, self._seed)
        best_fit, best_step, best, waited = gauge.fit(self), 0, self._plain, 0
        for step in self._train(plan.routes, plan.learned, steps, steps, progress):
            if step % math.ceil(steps / _CHECKS) and step != steps:
                continue
            fit = gauge.fit(self)
            waited += 1
            if fit > best_fit:
                best_fit, best_step, best, waited = fit, step, weights_of(self._model), 0
            if waited == _PATIENCE:
                break
        self._load(best, mix := self._best_mix(best, best_fit, gauge) if best_step else 1.0)
        return Found(best_step, mix)

    def repeat(self, plan: Plan, found: Found, progress: Progress) -> None:
        """Tune on all routed texts as was found; progress hears the step "tune on all texts", counted in batches."""
        progress.step("tune on all texts", found.steps)
        for _ in self._train(plan.routes, plan.routed, planned_steps(len(plan.learned)), found.steps, progress):
            pass
        self._load(weights_of(self._model), found.mix)

    def encode(self, rows: Rows) -> Vectors:
        """Unit vectors of the texts by torch, shape (len(rows), dim), float32."""
        import torch

        order = rows[np.argsort([len(self._ids[row]) for row in rows], kind="stable")]
        with torch.no_grad(), _fast_arithmetic():
            parts = [
                self._forward(order[start : start + _ENCODE_TEXTS]) for start in range(0, len(order), _ENCODE_TEXTS)
            ]
        place = {int(row): at for at, row in enumerate(order)}
        vectors: Vectors = torch.cat(parts).numpy()[[place[int(row)] for row in rows]]
        return vectors

    def _best_mix(self, tuned: State, fit: float, gauge: "_Gauge") -> float:
        best = (fit, 1.0)
        for mix in _MIXES[1:]:
            self._load(tuned, mix)
            best = max(best, (gauge.fit(self), mix))
        return best[1]

    def _load(self, tuned: State, mix: float) -> None:
        state = {
            name: plain.lerp(tuned[name], mix) if plain.is_floating_point() else plain
            for name, plain in self._plain.items()
        }
        self._model.transformer.load_state_dict(state)

    def _train(self, routes: Rows, rows: Rows, steps: int, stop: int, progress: Progress) -> Iterator[int]:
        """From the plain weights on; yields the number of steps done after each, with the model ready to encode."""
        import torch

        self._load(self._plain, 1.0)
        optimizer = _optimizer(self._model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            for step, batch in enumerate(islice(batches(routes[rows], self._seed), stop)):
                self._step(optimizer, rows[batch], routes[rows[batch]], rate(step, steps))
                progress.advance()
                yield step + 1

    def _step(self, optimizer: Any, rows: Rows, routes: Rows, share: float) -> None:  # noqa: ANN401
        import torch

        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * share
        self._model.transformer.train()
        order = np.argsort([len(self._ids[row]) for row in rows], kind="stable")
        with _fast_arithmetic():
            vectors = torch.cat([self._forward(rows[part]) for part in np.array_split(order, _SLICES) if len(part)])
        loss = supervised_contrastive(vectors, torch.from_numpy(routes[order]), TEMPERATURE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self._model.transformer.eval()

    def _forward(self, rows: Rows) -> Any:  # noqa: ANN401  torch and its family are not type-checked
        import torch

        ids = [torch.tensor(self._ids[row]) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        lengths = torch.tensor([len(one) for one in ids])
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        features = {"input_ids": padded, "attention_mask": mask, "token_type_ids": torch.zeros_like(padded)}
        output = self._model.transformer(features)["sentence_embedding"]
        return torch.nn.functional.normalize(output.float(), dim=1)


class _Gauge:
    """How well a state of the model tells the held-out texts' routes, by the nearest mean of what it learned from."""

    def __init__(self, plan: Plan, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._judged = rng.permutation(plan.judged)[:_GAUGE_TEXTS]
        self._learned = _even(plan.routes, rng.permutation(plan.learned), _GAUGE_TEXTS)
        known = np.unique(plan.routes[self._learned])
        self._own = np.searchsorted(known, plan.routes[self._learned])
        self._right = np.searchsorted(known, plan.routes[self._judged])

    def fit(self, tuner: Tuner) -> float:
        """Mean log-probability of the right route, at the temperature that suits the state best: higher is better."""
        learned = tuner.encode(self._learned).astype(np.float64)
        means = np.zeros((int(self._own.max()) + 1, learned.shape[1]))
        np.add.at(means, self._own, learned)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        similarities = tuner.encode(self._judged).astype(np.float64) @ means.T
        return max(_log_fit(similarities / temperature, self._right) for temperature in _GAUGE_TEMPERATURES)


def _log_fit(logits: NDArray[np.float64], right: Rows) -> float:
    logits = logits - logits.max(axis=1, keepdims=True)
    own = logits[np.arange(len(right)), right]
    return float((own - np.log(np.exp(logits).sum(axis=1))).mean())


def _even(routes: Rows, rows: Rows, count: int) -> Rows:
    """The first rows of every route alike, `count` together or a few more."""
    known, each = np.unique(routes[rows], return_counts=True)
    room = max(1, min(int(each.max()), -(-count // len(known))))
    return np.concatenate([rows[routes[rows] == route][:room] for route in known])


def supervised_contrastive(vectors: Any, routes: Any, temperature: float) -> Any:  # noqa: ANN401
    """Minus the mean log-share of a text's own route among all others' similarities (Khosla et al. 2020, equation 2).

    Args:
        vectors: Tensor (n, dim), unit rows; each route at least twice.
        routes: Tensor (n,), the route of each row.
        temperature: Over 0; less looks at the nearest alone.
    """
    import torch

    itself = torch.eye(len(vectors), dtype=torch.bool)
    similarities = (vectors @ vectors.T / temperature).masked_fill(itself, -1e9)
    log_share = similarities - torch.logsumexp(similarities, dim=1, keepdim=True)
    same = (routes[:, None] == routes[None]) & ~itself
    return -((log_share * same).sum(dim=1) / same.sum(dim=1)).mean()


def weights_of(model: LoadedModel) -> State:
    """A copy of the model's weights."""
    return {name: value.detach().clone() for name, value in model.transformer.state_dict().items()}


def _optimizer(model: LoadedModel) -> Any:  # noqa: ANN401
    """Of all but the embeddings of words and places: few texts hold few words, and the others' must not fall behind."""
    import torch

    embeddings = getattr(model.transformer[0].auto_model, "embeddings", None)
    frozen = {id(value) for value in embeddings.parameters()} if embeddings is not None else set()
    for value in model.transformer.parameters():
        value.requires_grad_(id(value) not in frozen)
    kept = [value for value in model.transformer.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in kept if value.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [value for value in kept if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE)


@contextlib.contextmanager
def _fast_arithmetic() -> Iterator[None]:
    """Half precision in matrix products where the processor has it, which nearly halves the time."""
    import torch

    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    fast = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        yield
