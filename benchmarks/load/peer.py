"""The peer in a process of its own: semantic-router's IndexedRouter with its own settings, in process and behind gRPC.

Its server is what a user would write: grpcio's thread pool server from the tutorial, a text in and a route's name out.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc

from benchmarks.child import child

METHOD = "/peer.Router/Route"

_WORKERS = 10  # as in gRPC's tutorial


class Encoder(StrEnum):
    """What turns texts into vectors; the weights are the same."""

    TORCH = "torch"  # semantic-router's own LocalEncoder
    ONNX = "onnx"  # ours, fed to it


@dataclass(slots=True)
class Peer:
    """Asks the process; one question at a time."""

    pipe: Connection
    address: str = ""  # of its gRPC server, once it is ready
    threads: int = 0  # that its encoder uses for one text, likewise

    def wait(self) -> None:
        """Until it is ready."""
        self.address, self.threads = self.pipe.recv()

    def seconds(self, texts: Sequence[str]) -> list[float]:
        """Of routing each text in that process, one after the other."""
        self.pipe.send(tuple(texts))
        answer: list[float] = self.pipe.recv()
        return answer


@contextmanager
def peer(encoder: Encoder, folder: Path, utterances: Mapping[str, Sequence[str]]) -> Iterator[Peer]:
    """Start it with routes by name, `folder` being our encoder's; `wait` for it; it ends with the context."""
    with child(_answer, encoder, folder, {name: list(own) for name, own in utterances.items()}) as pipe:
        yield Peer(pipe)


def _answer(pipe: Connection, encoder: Encoder, folder: Path, utterances: dict[str, list[str]]) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    router, threads = _router(encoder, folder, utterances)
    server = grpc.server(ThreadPoolExecutor(_WORKERS))

    def route(text: bytes, context: grpc.ServicerContext) -> bytes:
        return str(router(text.decode()).name).encode()

    handler = grpc.method_handlers_generic_handler("peer.Router", {"Route": grpc.unary_unary_rpc_method_handler(route)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    pipe.send((f"127.0.0.1:{port}", threads))
    while (texts := pipe.recv()) is not None:
        pipe.send([_seconds(router, text) for text in texts])
    server.stop(0)


def _seconds(router: Any, text: str) -> float:  # noqa: ANN401
    started = perf_counter()
    router(text)
    return perf_counter() - started


def _router(encoder: Encoder, folder: Path, utterances: dict[str, list[str]]) -> tuple[Any, int]:
    from semantic_router import IndexedRouter, Route

    made, threads = _torch() if encoder is Encoder.TORCH else _onnx(folder)
    return IndexedRouter(encoder=made, routes=[Route(name=n, utterances=own) for n, own in utterances.items()]), threads


def _torch() -> tuple[Any, int]:
    import torch
    from semantic_router.encoders.local import LocalEncoder

    from fingerpost.backends.encoder.source import EncoderSource, locate

    return LocalEncoder(name=locate(EncoderSource()).path_or_id), int(torch.get_num_threads())


def _onnx(folder: Path) -> tuple[Any, int]:
    from semantic_router.encoders import DenseEncoder

    from fingerpost.backends.encoder.embedder import OnnxEncoder

    opened = OnnxEncoder.open(folder, folder.name)
    free = [opened.embedder() for _ in range(_WORKERS + 1)]  # an embedder is for one thread at a time

    class Ours(DenseEncoder):  # type: ignore[misc]  # the library is not typed for us
        def __call__(self, docs: list[str]) -> Any:  # noqa: ANN401
            embedder = free.pop()
            try:
                return list(embedder.embed(docs))
            finally:
                free.append(embedder)

    return Ours(name="onnx"), 1
