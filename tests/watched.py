"""A server process as an operator sees it: its metrics, and what it takes of the machine."""

import re
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc
from prometheus_client.parser import text_string_to_metric_families

from fingerpost.v1 import router_service_pb2 as pb
from fingerpost.v1.router_service_pb2_grpc import RouterServiceStub
from tests.processes import ServerProcess

METRICS = {"metrics_listen": "127.0.0.1:0", "log_format": "json"}

ROUTE = "/fingerpost.v1.RouterService/Route"

OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
"""Options of a channel that shares no connection with others of this process."""


class Watched:
    """A server that was started with METRICS."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.address = server.address
        self.family = server.family
        found = (re.search(r"http://([\d.:]+)/metrics", line) for line in server.log)
        self._metrics = next(match[1] for match in found if match)

    @property
    def alive(self) -> bool:
        return self.server.process.poll() is None

    def metric(self, name: str, **labels: str) -> float:
        """Summed over the labels that are not given; 0 where nothing was counted."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=30) as reply:
            page = reply.read().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def left(self) -> tuple[float, float]:
        """Requests in flight and texts in the queue."""
        return self.metric("fingerpost_in_flight_requests"), self.metric("fingerpost_queue_jobs")

    def channel(self) -> Any:
        """A connection of its own, from this thread."""
        return grpc.insecure_channel(self.address, OWN_CONNECTION)

    def ask(self, text: str, seconds: float = 30) -> pb.RouteResponse:
        """One call over a connection of its own."""
        with self.channel() as channel:
            reply: pb.RouteResponse = RouterServiceStub(channel).Route(pb.RouteRequest(text=text), timeout=seconds)
        return reply


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition; fails when it does not come in time."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "too late"
        time.sleep(0.05)
