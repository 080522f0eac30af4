"""The floor: the encoder alone, in a process of its own, one text a run, its threads not spinning between runs."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.child import child
from fingerpost.backends.encoder.embedder import OnnxEmbedder, OnnxEncoder


@dataclass(frozen=True, slots=True)
class EncoderAlone:
    """Asks the process; one question at a time."""

    pipe: Connection

    def seconds(self, text: str) -> float:
        """Of one run, as that process measured it."""
        self.pipe.send(text)
        return float(self.pipe.recv())

    def texts_per_second(self, texts: Sequence[str], threads: int, seconds: float) -> float:
        """Of threads that take one text after the other, in this order and round again."""
        self.pipe.send((tuple(texts), threads, seconds))
        return float(self.pipe.recv())


@contextmanager
def encoder_alone(folder: Path) -> Iterator[EncoderAlone]:
    """Start the process on an encoder's folder, `encoders/DIGEST`; it ends with the context."""
    with child(_answer, folder) as pipe:
        yield EncoderAlone(pipe)


def _answer(pipe: Connection, folder: Path) -> None:
    encoder = OnnxEncoder.open(folder, folder.name)
    embedders = [encoder.embedder()]
    while (asked := pipe.recv()) is not None:
        if isinstance(asked, str):
            started = time.perf_counter()
            embedders[0].embed_one(asked)
            pipe.send(time.perf_counter() - started)
        else:
            texts, threads, seconds = asked
            embedders += [encoder.embedder() for _ in range(threads - len(embedders))]
            pipe.send(_rate(embedders[:threads], texts, seconds))


def _rate(embedders: Sequence[OnnxEmbedder], texts: Sequence[str], seconds: float) -> float:
    order = itertools.cycle(texts)
    counts = [0] * len(embedders)
    started = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - started < seconds:
            embedders[number].embed_one(next(order))
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(embedders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)
