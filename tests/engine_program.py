"""An engine process for tests: hashed words instead of an encoder, and texts that make it sleep or die.

Run as `python -m tests.engine_program FOLDER DESCRIPTOR...`; it notes what it did in FOLDER/log.
"""

import mmap
import os
import socket
import sys
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import cast

from fingerpost.backends.engine.worker import Opened, Worker
from fingerpost.engine_ports import OpenEncoder
from fingerpost.errors import DataLoss
from fingerpost.telemetry.logs import configure_logs
from fingerpost.types import Embedded
from tests.fakes import HASH_ENCODER, HashEmbedder, LocalRevision, snapshot

SLOW_SECONDS = 0.4


class NotingEmbedder(HashEmbedder):
    """Notes each text.

    "slow" takes a while and "held" until FOLDER/go is there; "die" ends the process, "fail" raises, and what comes of
    "nonsense" cannot be sent back.
    """

    def __init__(self, note: Path) -> None:
        self._note = note

    def embed_one(self, text: str) -> Embedded:
        note(self._note, text)
        if text == "die":
            os._exit(3)
        if text == "fail":
            raise RuntimeError("secret-canary: session lost")
        time.sleep(SLOW_SECONDS if text == "slow" else 0)
        while text == "held" and not self._note.with_name("go").exists():
            time.sleep(0.01)
        embedded = super().embed_one(text)
        return replace(embedded, text=cast(str, None)) if text == "nonsense" else embedded


def note(log: Path, line: str) -> None:
    with log.open("a") as out:
        out.write(f"{line}\n")


def main(folder: Path, control: int, shared: int, *lanes: int) -> None:
    configure_logs("json")
    log = folder / "log"

    def open_revision(digest: str) -> Opened:
        if digest == "damaged":
            raise DataLoss("index.faiss is damaged: reindex", metadata={"file": "index.faiss"})
        embedders = [NotingEmbedder(log) for _ in lanes]
        retriever = cast(LocalRevision, snapshot(embedders).loaded).retriever
        opened = Opened(OpenEncoder(HASH_ENCODER, "fp32", tuple(embedders)), retriever)
        weakref.finalize(retriever.speller, note, log, f"freed {digest}")
        return opened

    Worker(open_revision, mmap.mmap(shared, 0)).run(
        socket.socket(fileno=control), [socket.socket(fileno=lane) for lane in lanes]
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
    os._exit(0)
