"""Worker: the engine's own side. A thread for each lane, and one that loads revisions."""

import gc
import json
import mmap
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
import structlog
from numpy.typing import NDArray

from fingerpost.backends.engine.wire import LENGTH, SLOTS, Asked, answer, error_facts, read_asked
from fingerpost.engine_ports import OpenEncoder
from fingerpost.serve.retrieve import Degraded, Retriever, attempt
from fingerpost.types import Reason

_log = structlog.get_logger(__name__)

_FAILED = 70  # as sysexits.h has it: a fault of the program


@dataclass(frozen=True, slots=True)
class Opened:
    """A revision that was verified and is ready."""

    encoder: OpenEncoder  # held, so that other revisions share it
    retriever: Retriever


Open = Callable[[str], Opened]
"""Reads, verifies and warms up a revision; raises what is wrong with it."""


class Worker:
    """Holds revisions and answers the lanes until the server is gone."""

    def __init__(self, open_revision: Open, shared: mmap.mmap) -> None:
        """Nothing held yet; `shared` has the deadlines, SLOTS for each lane."""
        self._open = open_revision
        self._deadlines: NDArray[np.float64] = np.frombuffer(shared, np.float64).reshape(-1, SLOTS)
        self._held: dict[int, Opened] = {}  # by key

    def run(self, control: socket.socket, lanes: Sequence[socket.socket]) -> None:
        """Answer the lanes on threads of their own, and the control connection here until it ends."""
        for number, lane in enumerate(lanes):
            threading.Thread(target=self._serve, args=(number, lane), name=f"embed-{number}", daemon=True).start()
        with control.makefile("rb") as requests:
            for line in requests:
                self._control(json.loads(line), control)

    def _serve(self, number: int, lane: socket.socket) -> None:
        deadlines = self._deadlines[number]
        try:
            with lane.makefile("rb") as requests:
                for frame in _frames(requests):
                    asked = read_asked(frame)
                    lane.sendall(answer(asked.slot, self._attempt(asked, number, float(deadlines[asked.slot]))))
        except OSError:  # the server is gone; the control connection ends too, and with it the process
            _log.debug("lane_ended")
        except Exception as error:  # noqa: BLE001  a thread that is gone leaves its texts waiting; a process is started anew
            _log.error("lane_failed", lane=number, error=type(error).__name__)
            os._exit(_FAILED)

    def _attempt(self, asked: Asked, number: int, deadline: float) -> Any:  # noqa: ANN401
        held = self._held.get(asked.key)
        if held is None:  # it could not be loaded again after the engine was started anew
            return Degraded(Reason.ENCODER_UNAVAILABLE)
        return attempt(held.retriever, asked.wanted, number, deadline, asked.cost)

    def _control(self, request: dict[str, Any], control: socket.socket) -> None:
        if "unload" in request:
            self._held.pop(request["unload"], None)
            return
        control.sendall(json.dumps({"key": request["key"], **self._load(request)}).encode() + b"\n")

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            opened = self._open(request["load"])
        except Exception as error:  # noqa: BLE001  whatever is wrong with a revision, the server is told and goes on
            return {"error": error_facts(error)}
        self._held[request["key"]] = opened
        # What stays is not looked through again each time that garbage is collected.
        gc.collect()
        gc.freeze()
        return {"encoder": asdict(opened.encoder.encoder), "precision": opened.encoder.precision}


def _frames(requests: BinaryIO) -> Iterator[bytes]:
    """Frames until the connection ends."""
    while head := requests.read(LENGTH.size):
        (length,) = LENGTH.unpack(head)
        yield requests.read(length)
