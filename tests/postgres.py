"""A PostgreSQL of the tests' own: on a free port, in a temporary folder, as a user that the program agrees to be."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

_READY_SECONDS = 30
_USER = "fingerpost"
_HBA = """
host all guarded 127.0.0.1/32 scram-sha-256
host all,replication all 127.0.0.1/32 trust
"""


class Postgres:
    """A server that can be started and stopped."""

    def __init__(self, home: Path, user: str | None) -> None:
        """Of a folder that `running_postgres` made."""
        self.home = home
        self.port = _free_port()
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        """Run, and wait until it answers."""
        own = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [f"--{name}={value}" for name, value in {**own, **settings}.items()]
        command = [str(_programs() / "postgres"), "-D", str(self.home / "data"), *options]
        log = self.home / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(command, user=self._user, cwd="/", stdout=out, stderr=out)
        ends = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and wait for that: SIGINT in order and at once, SIGQUIT as a crash does."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def url(self, schema: str = "", port: int | None = None, *others: int) -> str:
        """Of a schema that keeps a test's tables apart from another's; by way of other ports, as a proxy's."""
        options = f"?options={quote(f'-csearch_path={schema}')}" if schema else ""
        hosts = ",".join(f"127.0.0.1:{number}" for number in (port or self.port, *others))
        return f"postgresql://{_USER}@{hosts}/postgres{options}"

    def new_schema(self) -> str:
        name = f"s{uuid.uuid4().hex}"
        self.run(f"CREATE SCHEMA {name}")
        return name

    def run(self, statement: str, schema: str = "") -> list[tuple[Any, ...]]:
        """Run a statement as its owner would, and give what it returns."""
        with self.connect(schema) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    @contextmanager
    def connect(self, schema: str = "") -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url(schema), autocommit=True) as connection:
            yield connection


@contextmanager
def running_postgres(primary: Postgres | None = None) -> Iterator[Postgres]:
    """Start one, or a standby of a primary, and end it by its own id.

    Raises:
        RuntimeError: PostgreSQL is not installed here.
    """
    home = Path(tempfile.mkdtemp(prefix="postgres-"))  # not in pytest's folder, which other users may not enter
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to be root
    if user:
        shutil.chown(home, user)
    server = Postgres(home, user)
    try:
        program, *rest = _copying(primary) if primary else _MAKING
        command = [str(_programs() / program), "-D", str(home / "data"), *rest]
        subprocess.run(command, user=user, cwd="/", check=True, capture_output=True)
        (home / "data" / "pg_hba.conf").write_text(_HBA)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


_MAKING = ("initdb", "-U", _USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")


def _copying(primary: Postgres) -> tuple[str, ...]:
    return ("pg_basebackup", "-R", "-d", primary.url(), "-c", "fast", "--no-sync")


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        raise RuntimeError("PostgreSQL is not installed, and these tests are never skipped: apt-get install postgresql")
    return (found[-1] if found else Path(on_path or "")).parent


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
