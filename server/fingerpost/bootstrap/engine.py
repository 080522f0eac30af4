"""The engine's own program: what `serve` starts beside itself to embed and search; never run by hand.

It lives as long as the server's end of the control connection.
"""

import mmap
import os
import signal
import socket
import sys
from pathlib import Path

from threadpoolctl import threadpool_limits

from fingerpost.backends.engine.worker import Worker
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.opening import RevisionOpener
from fingerpost.telemetry.logs import configure_logs

_SWITCH_SECONDS = 0.0001
"""How long one thread may keep another from the interpreter, each time that its encoder returns; Python's 5 ms are
as long as several texts take: docs/decisions/0011-cache-queue-and-fairness.md."""


def main(data: str, log_format: str, *descriptors: str) -> None:
    """Embed until the server is gone.

    Args:
        data: The data folder.
        log_format: As in the settings.
        descriptors: Of the control connection, of the shared deadlines, and of a connection for each thread.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group: the server decides when to end
        signal.signal(number, signal.SIG_IGN)
    configure_logs(log_format)
    threadpool_limits(1, user_api="blas")  # a vector's product is too small to share between threads
    sys.setswitchinterval(_SWITCH_SECONDS)
    control, shared, *lanes = map(int, descriptors)
    opener = RevisionOpener(DataFolder(Path(data)), len(lanes))
    worker = Worker(opener.open, mmap.mmap(shared, 0))
    worker.run(socket.socket(fileno=control), [socket.socket(fileno=lane) for lane in lanes])


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # threads may be inside the encoder, which must not be torn down under them
