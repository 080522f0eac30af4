"""How fast the encoder is, and what a batch does to its vectors: the numbers of decisions 0001 and 0002.

    .venv/bin/python benchmarks/micro/encoder.py ENCODERS [--torch] [--rounds 5]

ENCODERS is a folder of built encoders, such as `data/encoders` or `.cache/encoders`. The texts are the utterances of
`routes/*.yaml`. The padded batches run graphs that are exported here, with an attention mask, as a server that batches
would need; so the extra `build` must be installed.
"""

import argparse
import logging
import os
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import onnxruntime
import yaml

from fingerpost.backends.encoder.embedder import OnnxEmbedder, TextReader
from fingerpost.backends.encoder.folder import TOKENIZER, EncoderFolder, find
from fingerpost.backends.encoder.source import EncoderSource, Precision, locate

BATCH = 32
THREADS = 2
ROUTES = Path(__file__).parents[2] / "routes"


def read_texts() -> list[str]:
    texts: list[str] = []
    for path in sorted(ROUTES.glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        texts += [text for text in content.get("utterances", []) if isinstance(text, str)]
    random.Random(7).shuffle(texts)  # noqa: S311  a fixed order
    return texts


def measure(variants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each variant in each round; in turns, so that other load on the machine hits all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for work in variants.values():
        work()
    for _ in range(rounds):
        for name, work in variants.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def show(title: str, results: Mapping[str, list[float]], convert: Callable[[float], float], digits: int) -> None:
    print(f"\n{title}: median (lowest to highest round)")
    for name, seconds in results.items():
        values = sorted(convert(value) for value in seconds)
        middle, low, high = (f"{value:.{digits}f}" for value in (statistics.median(values), values[0], values[-1]))
        print(f"  {name:44}{middle:>8}  ({low} to {high})")


def load_torch(**model_options: str) -> Any:  # noqa: ANN401  torch and its family have no types
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(
        locate(EncoderSource()).path_or_id,
        device="cpu",
        local_files_only=True,
        model_kwargs=model_options,
    )


def export_with_mask(model: Any, folder: Path) -> dict[Precision, bytes]:  # noqa: ANN401
    """Graphs that take a batch: inputs `input_ids` and `attention_mask`, both (texts, tokens)."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    class Whole(torch.nn.Module):  # type: ignore[misc]  # torch is not type-checked
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:  # noqa: ANN401
            types = torch.zeros_like(input_ids)
            features = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": types}
            return self.model(features)["sentence_embedding"]

    example = model.tokenizer("hello there", return_tensors="pt")["input_ids"]
    axes = {name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask")}
    exported, fused, quantised = (str(folder / f"{name}.onnx") for name in ("exported", "fused", "quantised"))
    torch.onnx.export(
        Whole().eval(),
        (example, torch.ones_like(example)),
        exported,
        dynamo=False,
        input_names=list(axes),
        output_names=["embedding"],
        dynamic_axes={**axes, "embedding": {0: "texts"}},
        opset_version=17,
    )
    graph = optimizer.optimize_model(exported, model_type="bert", num_heads=12, hidden_size=384, opt_level=0)
    graph.save_model_to_file(fused)
    quantize_dynamic(
        fused, quantised, per_channel=True, weight_type=QuantType.QInt8, extra_options={"DefaultTensorType": 1}
    )
    return {Precision.FP32: Path(fused).read_bytes(), Precision.INT8: Path(quantised).read_bytes()}


class PaddedBatches:
    """What a batching server would do: texts of a batch are padded to its longest and run together."""

    def __init__(self, reader: TextReader, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._reader = reader

    def embed(self, texts: Sequence[str]) -> Any:  # noqa: ANN401
        rows = []
        for start in range(0, len(texts), BATCH):
            ids = [self._reader.read(text).ids for text in texts[start : start + BATCH]]
            longest = max(map(len, ids))
            feeds = {
                "input_ids": np.array([row + [0] * (longest - len(row)) for row in ids], dtype=np.int64),
                "attention_mask": np.array(
                    [[1] * len(row) + [0] * (longest - len(row)) for row in ids], dtype=np.int64
                ),
            }
            rows.append(self._session.run(None, feeds)[0])
        vectors = np.concatenate(rows)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Stored:
    """The stored default encoder."""

    def __init__(self, encoders: Path) -> None:
        digest = find(encoders, EncoderSource())
        if digest is None:
            sys.exit(f"{encoders} holds no default encoder: run scripts/reindex first")
        self._folder = EncoderFolder.open(encoders / digest, digest)
        self.reader = TextReader(self._folder.manifest, self._folder.read(TOKENIZER))

    def embedder(self, precision: Precision) -> OnnxEmbedder:
        return OnnxEmbedder(self._folder.encoder, self.reader, self._folder.read(precision.model_file))


def side_by_side(pool: ThreadPoolExecutor, embedders: Sequence[OnnxEmbedder], texts: Sequence[str]) -> None:
    """One text a run, an embedder a thread."""
    shares = [texts[number :: len(embedders)] for number in range(len(embedders))]
    list(pool.map(OnnxEmbedder.embed, embedders, shares))


def alone_against_batch(alone: Any, batched: Any) -> str:  # noqa: ANN401
    cosines = np.einsum("ij,ij->i", alone, batched)
    return f"median {np.median(cosines):.4f}, 1st percentile {np.quantile(cosines, 0.01):.4f}, min {cosines.min():.4f}"


def report_latency(stored: Stored, short: list[str], rounds: int, with_torch: bool) -> None:
    def each(embed: Callable[[str], object]) -> Callable[[], object]:
        return lambda: [embed(text) for text in short]

    variants = {f"onnxruntime {p}, one thread": each(stored.embedder(p).embed_one) for p in Precision}
    if with_torch:
        variants["sentence-transformers on torch"] = each(load_torch().encode)
    show("one short text, ms", measure(variants, rounds), lambda seconds: 1000 * seconds / len(short), 2)


def report_throughput(
    stored: Stored, masked: Mapping[Precision, bytes], texts: list[str], rounds: int, pool: ThreadPoolExecutor
) -> None:
    by_length = sorted(texts, key=len)
    variants: dict[str, Callable[[], object]] = {}
    for precision in Precision:
        batches = PaddedBatches(stored.reader, masked[precision])
        sessions = [stored.embedder(precision) for _ in range(THREADS)]
        variants[f"{precision}, padded batches of {BATCH}, as they come"] = partial(batches.embed, texts)
        variants[f"{precision}, padded batches of {BATCH}, sorted by length"] = partial(batches.embed, by_length)
        variants[f"{precision}, one text a run, {THREADS} sessions"] = partial(side_by_side, pool, sessions, texts)
    show("all texts, texts per second", measure(variants, rounds), lambda seconds: len(texts) / seconds, 0)


def report(stored: Stored, texts: list[str], rounds: int, with_torch: bool) -> None:
    lengths = {text: len(stored.reader.read(text).ids) for text in texts}
    short = [text for text in texts if lengths[text] <= 16][:100]
    middle, longest = statistics.median(lengths.values()), max(lengths.values())
    print(f"{len(texts)} texts of {middle:g} tokens (median, longest {longest})")
    report_latency(stored, short, rounds, with_torch)
    with tempfile.TemporaryDirectory() as folder:
        masked = export_with_mask(load_torch(attn_implementation="eager"), Path(folder))
    with ThreadPoolExecutor(THREADS) as pool:
        report_throughput(stored, masked, texts, rounds, pool)
    print(f"\na text's vector alone and in a random batch of {BATCH}, cosine")
    for precision in Precision:
        batched = PaddedBatches(stored.reader, masked[precision]).embed(texts)
        print(f"  {precision}: {alone_against_batch(stored.embedder(precision).embed(texts), batched)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch", action="store_true", help="measure sentence-transformers as well")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    texts = read_texts()
    if not texts:
        sys.exit("routes/*.yaml holds no utterances: there is nothing to measure with")
    report(Stored(options.encoders), texts, options.rounds, options.torch)


if __name__ == "__main__":
    main()
