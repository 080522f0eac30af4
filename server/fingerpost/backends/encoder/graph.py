"""From torch to an ONNX graph, fused and quantised: bytes in, bytes out."""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fingerpost.backends.encoder.canaries import TEXTS
from fingerpost.backends.encoder.loading import LoadedModel, refused, whole_model

_OPSET = 17


def export_graph(model: LoadedModel) -> bytes:
    import torch

    example = model.transformer.tokenizer(TEXTS[2], return_tensors="pt")["input_ids"]
    graph = io.BytesIO()
    try:
        with torch.no_grad():
            torch.onnx.export(
                whole_model(model),
                (example,),
                graph,
                dynamo=False,
                input_names=["input_ids"],
                output_names=["embedding"],
                dynamic_axes={"input_ids": {1: "tokens"}},
                opset_version=_OPSET,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        raise refused(f"it cannot be exported to ONNX, or is over 2 GB ({type(error).__name__})") from error
    return graph.getvalue()


def fuse(exported: bytes, model: LoadedModel) -> bytes:
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


def quantise(fp32: bytes) -> bytes:
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
