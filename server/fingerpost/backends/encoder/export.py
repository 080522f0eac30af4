"""Builds an encoder from a sentence-transformers model, in order: load, export, fuse, quantise, check, store.

`loading` and `graph` are the only importers of torch, transformers and onnx, inside their functions, so importing this
module costs nothing. See docs/decisions/0001-build-with-torch-serve-without.md.
"""

import importlib.metadata
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

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
from fingerpost.backends.encoder.graph import export_graph, fuse, quantise
from fingerpost.backends.encoder.loading import (
    LoadedModel,
    load_model,
    quiet,
    require,
    run_torch,
    special_ids,
    tokenizer_json,
)
from fingerpost.backends.encoder.source import EncoderSource, Precision, Source, describe, locate
from fingerpost.ports import Progress
from fingerpost.types import EncoderId, Vectors

__all__ = ["EncoderSource", "build_encoder", "store_model"]

_log = structlog.get_logger(__name__)

_MIN_FP32_COSINE = 0.9999  # of a graph to torch, over the canaries
_MIN_INT8_COSINE = 0.90  # of the quantised graph to fp32; below, the encoder is used unquantised
_MIN_CONTENT_TOKENS = 8

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
    encoders.mkdir(parents=True, exist_ok=True)  # else one that cannot be written is found out after minutes
    with quiet():
        model = load_model(weights, source.prompt)
    return store_model(described, model, encoders, progress)


def store_model(source: Source, model: LoadedModel, encoders: Path, progress: Progress) -> str:
    """Export, fuse, quantise and check a loaded model as the encoder of that source; see `build_encoder`."""
    with quiet():
        draft = _draft(source, model, progress)
    _tell(draft)
    return write_encoder(encoders, draft.manifest, draft.files)


@dataclass(frozen=True, slots=True)
class _Draft:
    manifest: Manifest
    files: dict[str, bytes]
    fused: bool


def _draft(source: Source, model: LoadedModel, progress: Progress) -> _Draft:
    tokenizer = tokenizer_json(model)
    manifest = _describe(source, model, tokenizer)
    reader = TextReader(manifest, tokenizer)
    _check_reading(model, reader)
    expected = _torch_vectors(model, reader)

    progress.step("export")
    exported = export_graph(model)
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
    require(_min_cosine(vectors, expected) >= _MIN_FP32_COSINE, "its ONNX graph disagrees with torch")
    return _Draft(manifest, files, fused)


def _tell(draft: _Draft) -> None:
    """Said after the libraries may talk again, or it would be silenced with them."""
    manifest = draft.manifest
    if manifest.precision is not manifest.source.precision:
        _log.warning("encoder_not_quantised", encoder=manifest.name, int8_min_cosine=manifest.int8_min_cosine)
    if not draft.fused:
        _log.warning("encoder_not_fused", encoder=manifest.name)


def _describe(source: Source, model: LoadedModel, tokenizer: bytes) -> Manifest:
    prefix, suffix = special_ids(tokenizer)
    max_tokens = model.transformer.max_seq_length
    require(isinstance(max_tokens, int), "it does not say how many tokens it reads (max_seq_length)")
    return Manifest(
        name=source.name,
        source=source,
        dim=int(run_torch(model, [[*prefix, *suffix] or [0]]).shape[1]),
        max_tokens=max_tokens,
        prompt=model.prompt,
        prefix_ids=prefix,
        suffix_ids=suffix,
        precision=source.precision,
        int8_min_cosine=None,
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
    )


def _check_reading(model: LoadedModel, reader: TextReader) -> None:
    """Our ids must be those of sentence-transformers, wherever it does not cut the text."""
    transformer = model.transformer
    tokenize = getattr(transformer, "preprocess", None) or transformer.tokenize  # its name before version 6
    prompt_tokens = len(transformer.tokenizer(model.prompt, add_special_tokens=False)["input_ids"])
    room = reader.content_tokens - 2 * prompt_tokens
    require(room >= _MIN_CONTENT_TOKENS, "its window leaves no room for a text beside the prompt")
    for text in TEXTS:
        read = reader.read(text)
        theirs = tokenize([model.prompt + text])["input_ids"][0].tolist()
        require(read.truncated or read.ids == theirs, "its tokenizer does more than its tokenizer.json says")


def _torch_vectors(model: LoadedModel, reader: TextReader) -> Vectors:
    raw = run_torch(model, [reader.read(text).ids for text in TEXTS])
    unit: Vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit


def _fuse_or_keep(
    exported: bytes, model: LoadedModel, manifest: Manifest, reader: TextReader, expected: Vectors
) -> tuple[bytes, bool]:
    """The fused graph where it agrees with torch, else the plain one; and whether it is fused."""
    try:
        fused = fuse(exported, model)
        if _min_cosine(_vectors(fused, manifest, reader), expected) >= _MIN_FP32_COSINE:
            return fused, True
    except Exception as error:  # noqa: BLE001  the optimizer breaks in many ways on graphs that it does not know
        _log.debug("fusion_failed", error=type(error).__name__)
    return exported, False


def _quantised(
    fp32: bytes, manifest: Manifest, reader: TextReader, expected: Vectors
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest with what quantising did, and its files: none when it does too much harm."""
    int8 = quantise(fp32)
    vectors = _vectors(int8, manifest, reader)
    cosine = round(_min_cosine(vectors, expected), 4)
    if cosine < _MIN_INT8_COSINE:
        return replace(manifest, precision=Precision.FP32, int8_min_cosine=cosine), {}
    files = {Precision.INT8.model_file: int8, Precision.INT8.canary_file: _npy(vectors)}
    return replace(manifest, int8_min_cosine=cosine), files


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
