"""The command line and the server as a user runs them: processes of their own, ended by their own ids."""

import atexit
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typer.testing import CliRunner

from benchmarks.family import Family
from tests.prepared import Prepared

_COMMAND = [sys.executable, "-m", "fingerpost"]

_OURS = "FINGERPOST_"
"""What is read when a command runs; other variables may be read when a module is imported."""


@cache
def _prepared() -> Prepared:
    prepared = Prepared()
    atexit.register(prepared.close)
    return prepared


def fingerpost(
    *arguments: object, code: int = 0, lines: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on these lines of standard input and require its exit code."""
    return fingerpost_in(Path.cwd(), *arguments, code=code, lines=lines, **environment)


def fingerpost_in(
    folder: Path, *arguments: object, code: int = 0, lines: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in that folder and require its exit code; with variables of others than us, from the very start."""
    words, variables = [*map(str, arguments)], {**os.environ, **environment}
    if all(name.startswith(_OURS) for name in environment):
        done = _prepared().run(words, folder, variables, lines)
    else:
        done = subprocess.run(
            [*_COMMAND, *words],
            input=lines,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=folder,
            env=variables,
        )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def help_of(*command: str) -> str:
    """The help of a command, on a wide terminal without colours."""
    from fingerpost.cli import app

    done = CliRunner().invoke(app, [*command, "--help"], env={"NO_COLOR": "1", "COLUMNS": "200"})
    assert done.exit_code == 0
    return done.stdout


class ServerProcess:
    """`fingerpost serve` on a free port; a context manager that waits until it answers and ends it at last."""

    def __init__(self, data: Path, listen: str = "127.0.0.1:0", **settings: Any) -> None:
        self._command = [*_COMMAND, "serve", "--data", str(data), "--listen", listen]
        self._environment = {f"FINGERPOST_{name.upper()}": str(value) for name, value in settings.items()}
        self._lines: queue.Queue[str] = queue.Queue()
        self.address = ""
        self.log: list[str] = []

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # No socket in a folder that other tests copy; who wants the admin listener says so.
            env={
                **os.environ,
                "FINGERPOST_DRAIN_WAIT_MS": "0",
                "FINGERPOST_ADMIN_LISTEN": "none",
                **self._environment,
            },
        )
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines.put), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.log.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        match = re.search(r"serves on (\S+)\.", self._lines.get(timeout=60))
        assert match
        self.address = match[1]
        return self

    @staticmethod
    def _read(stream: Any, put: Any) -> None:
        for line in stream:
            put(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 30) -> int:
        """Exit code, once all output is read."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return code

    @property
    def family(self) -> Family:
        """The server and what it started: its engine."""
        return Family(self.process.pid)


@contextmanager
def stopped(server: ServerProcess) -> Iterator[None]:
    """The process that embeds stands still, so that work is not done however long the test takes."""
    (engine,) = server.family.children
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(engine.pid, signal.SIGCONT)
