"""A PostgreSQL of the tests' own: on a free port, in a temporary folder, as a user that the program agrees to be."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
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
    """A running server."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.stop: Callable[[], None] = lambda: None
        """End it now, and wait for that."""

    def url(self, schema: str = "", *ports: int | None) -> str:
        """Of a schema that keeps a test's tables apart from another's; by way of other ports, as a proxy's."""
        options = f"?options={quote(f'-csearch_path={schema}')}" if schema else ""
        hosts = ",".join(f"127.0.0.1:{port or self.port}" for port in ports or (None,))
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
    programs = _programs()
    home = Path(tempfile.mkdtemp(prefix="postgres-"))  # not in pytest's folder, which other users may not enter
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to be root
    if user:
        shutil.chown(home, user)
    try:
        make = _copying(primary) if primary else _MAKING
        subprocess.run(
            [programs / make[0], "-D", home / "data", *make[1:]], user=user, cwd="/", check=True, capture_output=True
        )
        (home / "data" / "pg_hba.conf").write_text(_HBA)
        with _process(programs, home, user) as server:
            yield server
    finally:
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


@contextmanager
def _process(programs: Path, home: Path, user: str | None) -> Iterator[Postgres]:
    server = Postgres(home, _free_port())
    settings = {"port": server.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
    options = [f"--{name}={value}" for name, value in settings.items()]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", home / "data", *options], user=user, cwd="/", stdout=log, stderr=log
        )

    def stop() -> None:
        process.send_signal(signal.SIGINT)  # it ends at once, and in order
        process.wait()

    server.stop = stop
    try:
        _wait_until_ready(server, process, home / "log")
        yield server
    finally:
        stop()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_until_ready(server: Postgres, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + _READY_SECONDS
    while True:
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.02)
        else:
            return
