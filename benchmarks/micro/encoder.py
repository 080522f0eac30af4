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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import onnxruntime
import yaml

from fingerpost.backends.encoder_folder import TOKENIZER, EncoderFolder, find
from fingerpost.backends.encoder_source import EncoderSource, Precision, locate
from fingerpost.backends.onnx_embedder import OnnxEmbedder, TextReader

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


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


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

    class Whole(torch.nn.Module):
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


class Bench:
    """The stored encoder, the texts and the table."""

    def __init__(self, encoders: Path, rounds: int) -> None:
        digest = find(encoders, EncoderSource())
        if digest is None:
            sys.exit(f"{encoders} holds no default encoder: run scripts/reindex first")
        self._stored = EncoderFolder.open(encoders / digest, digest)
        self.reader = TextReader(self._stored.manifest, self._stored.read(TOKENIZER))
        self.rounds = rounds

    def embedder(self, precision: Precision) -> OnnxEmbedder:
        return OnnxEmbedder(self._stored.encoder, self.reader, self._stored.read(precision.model_file))

    def side_by_side(self, precision: Precision, texts: Sequence[str]) -> float:
        """Texts per second, one a run, on THREADS one-thread sessions."""
        embedders = [self.embedder(precision) for _ in range(THREADS)]
        shares = [texts[number::THREADS] for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            seconds = median_seconds(lambda: list(pool.map(OnnxEmbedder.embed, embedders, shares)), self.rounds)
        return len(texts) / seconds

    def latency_ms(self, embed: Callable[[str], object], texts: Sequence[str]) -> float:
        return 1000 * statistics.median(median_seconds(lambda t=text: embed(t), self.rounds) for text in texts)


def alone_against_batch(alone: Any, batched: Any) -> str:  # noqa: ANN401
    cosines = np.einsum("ij,ij->i", alone, batched)
    return f"median {np.median(cosines):.4f}, 1st percentile {np.quantile(cosines, 0.01):.4f}, min {cosines.min():.4f}"


def report(bench: Bench, texts: list[str], with_torch: bool) -> None:
    tokens = statistics.median(len(bench.reader.read(text).ids) for text in texts)
    short = [text for text in texts if len(bench.reader.read(text).ids) <= 16][:100]
    print(f"{len(texts)} texts of {tokens:g} tokens (median); {len(short)} short ones of at most 16 tokens")
    print("\none text, median ms")
    if with_torch:
        print(f"  {'sentence-transformers on torch':44}{bench.latency_ms(load_torch().encode, short):8.2f}")
    for precision in (Precision.FP32, Precision.INT8):
        embedder = bench.embedder(precision)
        print(f"  {f'onnxruntime {precision}, one thread':44}{bench.latency_ms(embedder.embed_one, short):8.2f}")
    print("\nall texts, texts per second")
    with tempfile.TemporaryDirectory() as folder:
        masked = export_with_mask(load_torch(attn_implementation="eager"), Path(folder))
    by_length = sorted(texts, key=len)
    for precision in (Precision.FP32, Precision.INT8):
        batches = PaddedBatches(bench.reader, masked[precision])
        for order, ordered in (("as they come", texts), ("sorted by length", by_length)):
            rate = len(texts) / median_seconds(lambda b=batches, o=ordered: b.embed(o), bench.rounds)
            print(f"  {f'{precision}, padded batches of {BATCH}, {order}':44}{rate:8.0f}")
        rate = bench.side_by_side(precision, texts)
        print(f"  {f'{precision}, one text a run, {THREADS} sessions':44}{rate:8.0f}")
    print(f"\na text's vector alone and in a random batch of {BATCH}, cosine")
    for precision in (Precision.FP32, Precision.INT8):
        batched = PaddedBatches(bench.reader, masked[precision]).embed(texts)
        print(f"  {precision}: {alone_against_batch(bench.embedder(precision).embed(texts), batched)}")


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
    report(Bench(options.encoders, options.rounds), texts, options.torch)


if __name__ == "__main__":
    main()
