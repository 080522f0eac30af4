"""Commands in processes of their own that need not import everything anew: each is a fork of one that has.

    python -m tests.prepared SOCKET

What a command imports takes most of its time. The process that has imported it all does nothing else, so a fork of it
is what a new process is after its imports: own arguments, folder, environment, output and end. Only the seed of the
hashes is the same for all; who needs another one starts `python -m fingerpost`.
"""

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_SECONDS = 120
_LENGTH = 1_000_000
"""Of what is asked: arguments and environment, in bytes."""

_IMPORTED = (
    "faiss",
    "fingerpost.bootstrap.desk",
    "fingerpost.bootstrap.indexing",
    "fingerpost.bootstrap.planning",
    "fingerpost.build.lint.choices",
    "fingerpost.build.lint.lint",
    "fingerpost.build.portrait.portrait",
    "fingerpost.build.reindex",
    "fingerpost.build.study",
    "fingerpost.build.suggest.suggest",
    "fingerpost.cli",
    "fingerpost.cli.diff",
    "fingerpost.cli.local_desk",
    "fingerpost.cli.page.render",
    "fingerpost.cli.suggest",
    "sklearn.linear_model",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "tokenizers",
)


class Prepared:
    """The process that is forked, until `close`."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self._socket = ours
        self._socket.settimeout(_SECONDS)
        self._turn = threading.Lock()

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], lines: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; one that takes too long is killed, and its exit code says so."""
        asked = json.dumps([arguments, str(folder), dict(environment)]).encode()
        file = tempfile.TemporaryFile
        with self._turn, file() as given, file() as out, file() as errors:
            given.write(lines.encode())
            given.seek(0)
            socket.send_fds(self._socket, [asked], [given.fileno(), out.fileno(), errors.fileno()])
            fork = self._told()
            try:
                code = self._told()
            except TimeoutError:
                os.kill(fork, signal.SIGKILL)
                code = self._told()
            out.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read().decode(), errors.read().decode())

    def _told(self) -> int:
        return int(self._socket.recv(100))

    def close(self) -> None:
        self._socket.close()
        self._process.wait(_SECONDS)


def _fork_for_each(asked: socket.socket) -> None:
    """Answer with ids and exit codes until nobody asks any more; comes back in each fork, ready for its command."""
    while True:
        words, descriptors, _, _ = socket.recv_fds(asked, _LENGTH, 3)
        if not words:
            os._exit(0)
        fork = os.fork()
        if fork == 0:
            asked.close()
            arguments, folder, environment = json.loads(words)
            _become(arguments, folder, environment, descriptors)
            return
        asked.send(str(fork).encode())
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(fork, 0)
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(arguments: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    for descriptor, file in enumerate(files):  # input, output, errors
        os.dup2(file, descriptor)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["fingerpost", *arguments]


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of this process and, since it is read now, of its forks
    from fingerpost.__main__ import main

    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    # A fork has no other thread than this one, and what waits for another would wait for ever. So onnxruntime, which
    # starts one when it is imported, is left to the forks.
    assert len(os.listdir("/proc/self/task")) == 1
    _fork_for_each(socket.socket(fileno=int(sys.argv[1])))
    main()
