"""A small revision and its encoder in a data folder, and places to share them in."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from fingerpost.backends.encoder.folder import CANARY_TEXTS, TOKENIZER, Manifest, write_encoder
from fingerpost.backends.encoder.source import EncoderSource, Precision, describe
from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.serve.revision_format import MANIFEST, digest_of, encode
from fingerpost.types import EncoderId, Exemplar, Experiment
from tests.fakes import DIM, HashEmbedder, decider


def store_encoder(data: Path) -> str:
    """Its files are only to be carried: no model is in them. Gives the digest."""
    manifest = Manifest(
        name="hash",
        source=describe(EncoderSource()),
        dim=DIM,
        max_tokens=256,
        prompt="",
        prefix_ids=(101,),
        suffix_ids=(102,),
        precision=Precision.FP32,
        int8_min_cosine=None,
        libraries={},
    )
    canaries = io.BytesIO()
    np.save(canaries, np.eye(1, DIM, dtype=np.float32))
    files = {
        TOKENIZER: b'{"tokenizer": 1}',
        CANARY_TEXTS: json.dumps(["one"]).encode(),
        Precision.FP32.model_file: bytes(range(256)) * 8_192,  # more than is carried at a time
        Precision.FP32.canary_file: canaries.getvalue(),
    }
    return write_encoder(data / "encoders", manifest, files)


def store_revision(data: Path, text: str = "a text", experiments: tuple[Experiment, ...] = ()) -> str:
    """A revision of one utterance, with its encoder. Gives the digest."""
    encoder = EncoderId(store_encoder(data), "hash", DIM, 256)
    engine = FaissFlatEngine()
    index = engine.build(HashEmbedder().embed([text]))
    plain = decider()
    made = replace(plain, policy=replace(plain.policy, experiments=experiments))
    files = encode(encoder, (Exemplar(text, 0),), engine.kind, index, None, made, b"{}\n")
    digest = digest_of(files[MANIFEST])
    FileRevisionStore(data / "revisions").publish(digest, files)
    return digest


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that is there for others, by its path; locks and remembered sources are a data folder's own."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    own = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {name: data for name, data in own.items() if ".lock" not in name and "/sources/" not in name}


def flip(path: Path) -> None:
    """Change one bit in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
