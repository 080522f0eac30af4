"""A sentence-transformers model, loaded, checked and run with torch."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fingerpost.backends.encoder.source import Weights, missing_extra
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.types import Vectors


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A loaded SentenceTransformer and what has to be known of it."""

    transformer: Any
    prompt: str

    @property
    def config(self) -> Any:  # noqa: ANN401  torch and its family are not type-checked
        return self.transformer[0].auto_model.config


def load_model(weights: Weights, prompt: str | None) -> LoadedModel:
    """Eager attention: the only kind whose graph the optimizer recognises and fuses."""
    try:
        import onnx  # noqa: F401  asked for here, so that its absence shows before minutes of work
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise missing_extra() from error
    try:
        transformer = SentenceTransformer(
            weights.path_or_id,
            device="cpu",
            local_files_only=weights.local,
            revision=weights.revision,
            model_kwargs={"attn_implementation": "eager"},
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise refused(f"sentence-transformers cannot load it ({type(error).__name__})") from error
    transformer.float().eval()
    own = transformer.prompts.get(transformer.default_prompt_name) or ""
    model = LoadedModel(transformer, own if prompt is None else prompt)
    _check_kind(model)
    return model


def _check_kind(model: LoadedModel) -> None:
    transformer = model.transformer
    require(hasattr(transformer[0], "auto_model"), "its first module is no transformer")
    require(list(getattr(transformer, "modalities", ["text"])) == ["text"], "it reads more than text")
    require(hasattr(transformer.tokenizer, "backend_tokenizer"), "it has no fast tokenizer (tokenizer.json)")
    pools_prompt = all(getattr(module, "include_prompt", True) for module in transformer)
    require(pools_prompt or not model.prompt, 'its pooling leaves the prompt out: build it with the prompt ""')


def tokenizer_json(model: LoadedModel) -> bytes:
    """Padding and truncation off: what is packaged is often baked to another length than the model's."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(model.transformer.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer.to_str().encode()


def special_ids(tokenizer: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which ids the tokenizer puts before and after any content."""
    from tokenizers import Tokenizer

    encoding = Tokenizer.from_buffer(tokenizer).encode("hello")
    content = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    require(bool(content), "its tokenizer reads nothing of a plain word")
    return tuple(encoding.ids[: content[0]]), tuple(encoding.ids[content[-1] + 1 :])


def whole_model(model: LoadedModel) -> Any:  # noqa: ANN401  torch and its family are not type-checked
    """All modules as one function of the ids: the mask is all ones since nothing is padded, the types all zero."""
    import torch

    class Whole(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.transformer = model.transformer

        def forward(self, input_ids: Any) -> Any:  # noqa: ANN401
            features = {
                "input_ids": input_ids,
                "attention_mask": torch.ones_like(input_ids),
                "token_type_ids": torch.zeros_like(input_ids),
            }
            return self.transformer(features)["sentence_embedding"]

    return Whole().eval()


def run_torch(model: LoadedModel, ids: Sequence[Sequence[int]]) -> Vectors:
    """Vectors of one text a row, shape (n, dim), float32, not normalised."""
    import torch

    whole = whole_model(model)
    with torch.no_grad():
        return np.concatenate([whole(torch.tensor([row])).numpy() for row in ids]).astype(np.float32)


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise refused(otherwise)


def refused(why: str) -> FailedPrecondition:
    return FailedPrecondition(f"the model cannot be made an encoder: {why}", ErrorReason.ENCODER_UNAVAILABLE)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Progress bars, warnings and log lines of the libraries say nothing that a user can act on."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _no_progress_bars():
                yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    try:
        from transformers.utils import logging as chatter
    except ImportError as error:
        raise missing_extra() from error
    enabled = chatter.is_progress_bar_enabled()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            chatter.enable_progress_bar()
