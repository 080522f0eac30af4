"""Encoding: an encoder of a data folder, ready to embed, and built when the folder has none."""

from pathlib import Path

from fingerpost.backends.encoder.export import build_encoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource, Precision
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.opening import open_encoder
from fingerpost.engine_ports import OpenEncoder
from fingerpost.errors import InvalidRequest
from fingerpost.ports import Progress


def encoder_source(name: str, precision: str) -> EncoderSource:
    """Which encoder to build or find.

    Raises:
        InvalidRequest: no such precision.
    """
    try:
        return EncoderSource(name, Precision(precision))
    except ValueError as error:
        raise InvalidRequest(f"no precision is called {precision}: use {' or '.join(Precision)}") from error


def ready_encoder(folder: Path, source: EncoderSource, progress: Progress, threads: int | None = None) -> OpenEncoder:
    """The folder's encoder of that source, ready for so many threads, one a core unless told.

    It is built first where the folder has none; that alone loads torch.

    Raises:
        FailedPrecondition: ENCODER_UNAVAILABLE, it must be built and the packages for that are missing, or it does
            not give its known vectors on this machine.
        DataLoss: its files are not what they were.
    """
    data = DataFolder(folder)
    return open_encoder(data, find(data.encoders, source) or build_encoder(source, data.encoders, progress), threads)
