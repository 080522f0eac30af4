"""Envoy as a user runs it: the configuration of deploy/envoy, with other addresses, in a process of its own."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

BINARY = Path(sys.prefix) / "bin" / "envoy"
CONFIGURATION = Path(__file__).parents[1] / "deploy" / "envoy" / "envoy.yaml"


def configuration(replicas: Sequence[str]) -> dict[str, Any]:
    """What deploy/envoy says, on free ports and for these servers, given as HOST:PORT."""
    content: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    resources = content["static_resources"]
    for owner in (content["admin"], resources["listeners"][0]):
        owner["address"]["socket_address"]["port_value"] = 0
    [place] = resources["clusters"][0]["load_assignment"]["endpoints"]
    place["lb_endpoints"] = [{"endpoint": {"address": _socket(replica)}} for replica in replicas]
    return content


def _socket(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


class EnvoyProcess:
    """Envoy in front of servers; a context manager that waits until all of them are healthy and ends it at last."""

    def __init__(self, folder: Path, replicas: Sequence[str]) -> None:
        self._file = folder / "envoy.json"
        self._file.write_text(json.dumps(configuration(replicas)), encoding="utf-8")
        self._admin = folder / "admin.address"
        self._log = folder / "envoy.log"
        self._replicas = replicas

    def __enter__(self) -> Self:
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [BINARY, "-c", self._file, "--admin-address-path", self._admin, *options], stdout=log, stderr=log
            )
        try:
            self._wait(self._ready)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    @property
    def address(self) -> str:
        """HOST:PORT that callers use."""
        [listener] = json.loads(self.ask("/listeners?format=json"))["listener_statuses"]
        place = listener["local_address"]["socket_address"]
        return f"{place['address']}:{place['port_value']}"

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def healthy(self) -> set[str]:
        """Addresses of the servers that get calls."""
        return {
            host
            for host in self._replicas
            if f"fingerpost::{host}::health_flags::healthy" in self.ask("/clusters").splitlines()
        }

    def count(self, name: str) -> int:
        """Value of a counter of the cluster, as `upstream_rq_retry`."""
        _, _, value = self.ask(f"/stats?filter=^cluster.fingerpost.{name}$").partition(": ")
        return int(value)

    def ask(self, path: str) -> str:
        """Reply of the administration interface."""
        address = self._admin.read_text(encoding="utf-8")
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as reply:
            return str(reply.read().decode())

    def _ready(self) -> bool:
        try:
            return len(self.healthy) == len(self._replicas) and bool(self.address)
        except (OSError, ValueError):  # the interface is not there yet
            return False

    def _wait(self, holds: Any, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.05)
