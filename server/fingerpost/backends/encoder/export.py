"""Builds an encoder from a sentence-transformers model: the only importer of torch, transformers and onnx.

They are imported inside the functions, so importing this module costs nothing. See
docs/decisions/0001-build-with-torch-serve-without.md.
"""

import contextlib
import importlib.metadata
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from fingerpost.backends.encoder.canaries import TEXTS
from fingerpost.backends.encoder.embedder import OnnxEmbedder, TextReader
from fingerpost.backends.encoder.folder import (
    CANARY_TEXTS,
    TOKENIZER,
    Manifest,
    write_encoder,
)
from fingerpost.backends.encoder.source import (
    EncoderSource,
    Precision,
    Source,
    Weights,
    describe,
    locate,
    missing_extra,
)
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.types import EncoderId, Progress, Vectors

__all__ = ["EncoderSource", "build_encoder"]

_log = structlog.get_logger(__name__)

_MIN_FP32_COSINE = 0.9999  # of a graph to torch, over the canaries
_MIN_INT8_COSINE = 0.90  # of the quantised graph to fp32; below, the encoder is used unquantised
_MIN_CONTENT_TOKENS = 8
_OPSET = 17

_LIBRARIES = ("onnx", "onnxruntime", "sentence-transformers", "tokenizers", "torch", "transformers")


def build_encoder(source: EncoderSource, encoders: Path, progress: Progress) -> str:
    """Export, fuse, quantise and check an encoder, and store it.

    Args:
        source: What to build from.
        encoders: The folder of encoders.
        progress: Hears the steps "load weights", "export", "fuse", "quantise" and "check".

    Returns:
        The digest; the encoder is `encoders/<digest>/`. The same source and libraries give the same digest.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, the extra `build` is missing or the model is of a kind that cannot be
            served, with what to do.
        DataLoss: the default's weights are not the published ones.
        StorageFull: nothing of the encoder is left behind.
    """
    described = describe(source)
    progress.step("load weights")
    weights = locate(source)
    with _quiet():
        draft = _draft(described, _load(weights, source.prompt), progress)
    _tell(draft)
    return write_encoder(encoders, draft.manifest, draft.files)


@dataclass(frozen=True, slots=True)
class _Model:
    """A loaded SentenceTransformer and what has to be known of it."""

    transformer: Any
    prompt: str

    @property
    def config(self) -> Any:  # noqa: ANN401  torch and its family are not type-checked
        return self.transformer[0].auto_model.config


@dataclass(frozen=True, slots=True)
class _Draft:
    manifest: Manifest
    files: dict[str, bytes]
    fused: bool


def _draft(source: Source, model: _Model, progress: Progress) -> _Draft:
    tokenizer = _tokenizer_json(model)
    manifest = _describe(source, model, tokenizer)
    reader = TextReader(manifest, tokenizer)
    _check_reading(model, reader)
    expected = _torch_vectors(model, reader)

    progress.step("export")
    exported = _export(model)
    progress.step("fuse")
    fp32, fused = _fuse_or_keep(exported, model, manifest, reader, expected)
    vectors = _vectors(fp32, manifest, reader)
    files = {
        TOKENIZER: tokenizer,
        CANARY_TEXTS: json.dumps(TEXTS, ensure_ascii=False, indent=1).encode(),
        Precision.FP32.model_file: fp32,
        Precision.FP32.canary_file: _npy(vectors),
    }
    if source.precision is Precision.INT8:
        progress.step("quantise")
        manifest, quantised = _quantised(fp32, manifest, reader, vectors)
        files |= quantised
    progress.step("check")
    _require(_min_cosine(vectors, expected) >= _MIN_FP32_COSINE, "its ONNX graph disagrees with torch")
    return _Draft(manifest, files, fused)


def _tell(draft: _Draft) -> None:
    """Said after the libraries may talk again, or it would be silenced with them."""
    manifest = draft.manifest
    if manifest.precision is not manifest.source.precision:
        _log.warning("encoder_not_quantised", encoder=manifest.name, int8_min_cosine=manifest.int8_min_cosine)
    if not draft.fused:
        _log.warning("encoder_not_fused", encoder=manifest.name)


# --- Loading ------------------------------------------------------------------------------------------------------


def _load(weights: Weights, prompt: str | None) -> _Model:
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
        raise _refused(f"sentence-transformers cannot load it ({type(error).__name__})") from error
    transformer.float().eval()
    own = transformer.prompts.get(transformer.default_prompt_name) or ""
    model = _Model(transformer, own if prompt is None else prompt)
    _check_kind(model)
    return model


def _check_kind(model: _Model) -> None:
    transformer = model.transformer
    _require(hasattr(transformer[0], "auto_model"), "its first module is no transformer")
    _require(list(getattr(transformer, "modalities", ["text"])) == ["text"], "it reads more than text")
    _require(hasattr(transformer.tokenizer, "backend_tokenizer"), "it has no fast tokenizer (tokenizer.json)")
    pools_prompt = all(getattr(module, "include_prompt", True) for module in transformer)
    _require(pools_prompt or not model.prompt, 'its pooling leaves the prompt out: build it with the prompt ""')


def _tokenizer_json(model: _Model) -> bytes:
    """Padding and truncation off: what is packaged is often baked to another length than the model's."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(model.transformer.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer.to_str().encode()


def _describe(source: Source, model: _Model, tokenizer: bytes) -> Manifest:
    prefix, suffix = _special_ids(tokenizer)
    max_tokens = model.transformer.max_seq_length
    _require(isinstance(max_tokens, int), "it does not say how many tokens it reads (max_seq_length)")
    return Manifest(
        name=source.name,
        source=source,
        dim=int(_run_torch(model, [[*prefix, *suffix] or [0]]).shape[1]),
        max_tokens=max_tokens,
        prompt=model.prompt,
        prefix_ids=prefix,
        suffix_ids=suffix,
        precision=source.precision,
        int8_min_cosine=None,
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
    )


def _special_ids(tokenizer: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which ids the tokenizer puts before and after any content."""
    from tokenizers import Tokenizer

    encoding = Tokenizer.from_buffer(tokenizer).encode("hello")
    content = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    _require(bool(content), "its tokenizer reads nothing of a plain word")
    return tuple(encoding.ids[: content[0]]), tuple(encoding.ids[content[-1] + 1 :])


def _check_reading(model: _Model, reader: TextReader) -> None:
    """Our ids must be those of sentence-transformers, wherever it does not cut the text."""
    transformer = model.transformer
    tokenize = getattr(transformer, "preprocess", None) or transformer.tokenize  # its name before version 6
    prompt_tokens = len(transformer.tokenizer(model.prompt, add_special_tokens=False)["input_ids"])
    room = reader.content_tokens - 2 * prompt_tokens
    _require(room >= _MIN_CONTENT_TOKENS, "its window leaves no room for a text beside the prompt")
    for text in TEXTS:
        read = reader.read(text)
        theirs = tokenize([model.prompt + text])["input_ids"][0].tolist()
        _require(read.truncated or read.ids == theirs, "its tokenizer does more than its tokenizer.json says")


# --- Torch to ONNX ------------------------------------------------------------------------------------------------


def _whole(model: _Model) -> Any:  # noqa: ANN401  torch and its family are not type-checked
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


def _run_torch(model: _Model, ids: Sequence[Sequence[int]]) -> Vectors:
    """Vectors of one text a row, shape (n, dim), float32, not normalised."""
    import torch

    whole = _whole(model)
    with torch.no_grad():
        return np.concatenate([whole(torch.tensor([row])).numpy() for row in ids]).astype(np.float32)


def _torch_vectors(model: _Model, reader: TextReader) -> Vectors:
    raw = _run_torch(model, [reader.read(text).ids for text in TEXTS])
    unit: Vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit


def _export(model: _Model) -> bytes:
    import torch

    example = model.transformer.tokenizer(TEXTS[2], return_tensors="pt")["input_ids"]
    graph = io.BytesIO()
    try:
        with torch.no_grad():
            torch.onnx.export(
                _whole(model),
                (example,),
                graph,
                dynamo=False,
                input_names=["input_ids"],
                output_names=["embedding"],
                dynamic_axes={"input_ids": {1: "tokens"}},
                opset_version=_OPSET,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        raise _refused(f"it cannot be exported to ONNX, or is over 2 GB ({type(error).__name__})") from error
    return graph.getvalue()


def _fuse_or_keep(
    exported: bytes, model: _Model, manifest: Manifest, reader: TextReader, expected: Vectors
) -> tuple[bytes, bool]:
    """The fused graph where it agrees with torch, else the plain one; and whether it is fused."""
    try:
        fused = _fuse(exported, model)
        if _min_cosine(_vectors(fused, manifest, reader), expected) >= _MIN_FP32_COSINE:
            return fused, True
    except Exception as error:  # noqa: BLE001  the optimizer breaks in many ways on graphs that it does not know
        _log.debug("fusion_failed", error=type(error).__name__)
    return exported, False


def _fuse(exported: bytes, model: _Model) -> bytes:
    import onnx
    from onnxruntime.transformers import optimizer

    fused = optimizer.optimize_model(
        onnx.load_model_from_string(exported),
        model_type="bert",
        num_heads=getattr(model.config, "num_attention_heads", 0),
        hidden_size=getattr(model.config, "hidden_size", 0),
        opt_level=0,
    )
    with _scratch_file() as target:
        fused.save_model_to_file(
            str(target)
        )  # not just serialised: this also declares the domain of the fused operators
        return target.read_bytes()


def _quantised(
    fp32: bytes, manifest: Manifest, reader: TextReader, expected: Vectors
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest with what quantising did, and its files: none when it does too much harm."""
    int8 = _quantise(fp32)
    vectors = _vectors(int8, manifest, reader)
    cosine = round(_min_cosine(vectors, expected), 4)
    if cosine < _MIN_INT8_COSINE:
        return replace(manifest, precision=Precision.FP32, int8_min_cosine=cosine), {}
    files = {Precision.INT8.model_file: int8, Precision.INT8.canary_file: _npy(vectors)}
    return replace(manifest, int8_min_cosine=cosine), files


def _quantise(fp32: bytes) -> bytes:
    """Per channel, since one scale a tensor loses twice as much; the default type is for what fusing left untyped."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _scratch_file() as target:
        quantize_dynamic(
            onnx.load_model_from_string(fp32),
            target,
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return target.read_bytes()


@contextlib.contextmanager
def _scratch_file() -> Iterator[Path]:
    """Where the optimizer and the quantiser, which write to files alone, may write."""
    with tempfile.TemporaryDirectory(prefix="fingerpost-") as folder:
        yield Path(folder) / "model.onnx"


# --- Checking -----------------------------------------------------------------------------------------------------


def _vectors(model: bytes, manifest: Manifest, reader: TextReader) -> Vectors:
    """The canaries' vectors by the very code that serves them."""
    encoder = EncoderId("", manifest.name, manifest.dim, manifest.max_tokens)
    return OnnxEmbedder(encoder, reader, model).embed(TEXTS)


def _min_cosine(found: Vectors, expected: Vectors) -> float:
    return float(np.einsum("ij,ij->i", found, expected).min())


def _npy(vectors: Vectors) -> bytes:
    data = io.BytesIO()
    np.save(data, vectors, allow_pickle=False)
    return data.getvalue()


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _refused(otherwise)


def _refused(why: str) -> FailedPrecondition:
    return FailedPrecondition(f"the model cannot be made an encoder: {why}", ErrorReason.ENCODER_UNAVAILABLE)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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
