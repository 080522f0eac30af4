"""RemoteRouter: a running Fingerpost server as one of semantic-router's routers."""

import asyncio
import math
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from semantic_router.route import Route
from semantic_router.routers.base import BaseRouter, in_sync_call

from fingerpost.client import (
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_SECONDS,
    AsyncClient,
    CatalogInfo,
    Client,
    Decision,
    Options,
    ServerInfo,
)

_ALTERNATIVES_COUNT = 20  # the most that a server gives with its own settings
_DEFAULT_CATALOG = "default"
_MATCHED = "MATCHED"
_UNCALIBRATED = "NONE"


class _Judged(str):
    """A route's name in one call's scores, and whether the server took the route in that call.

    The library asks for the bar of a route by its name alone, but the server judges text by text: a route has its own
    threshold there, and a text that equals an utterance needs none.
    """

    taken: bool

    def __new__(cls, name: str, *, taken: bool) -> Self:
        judged = super().__new__(cls, name)
        judged.taken = taken
        return judged


class RemoteRouter(BaseRouter):  # type: ignore[misc]  # the library is not typed for us
    """Asks a server; composes with the library's other routers in `Chain` and `Merge`.

    A route's score is the confidence that the server gives it, a calibrated probability. Where neither the call nor the
    router has a threshold the server decides: the route that it takes passes, no other one does, and its fallback is no
    route, so that a `Chain` asks its next router. A threshold of the call or of the router is compared with the
    confidences instead, and the server's own are not looked at.

    Errors of the server are raised as the client raises them, `fingerpost.errors.FingerpostError`, after the standard
    retries; as any error of a router does, they end a `Chain` or a `Merge`. A degraded answer is a fallback.

    The routes are those of the server's route files and are changed there: `add` and `remove` raise. It cannot be saved
    to a router file, which has no word for it: `to_yaml` and `to_json` raise ValueError, also of a `Chain` that holds
    one.

    Safe to share between threads and event loops. A context manager of both kinds, or `close` or `aclose` it.
    """

    probabilistic = True

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        catalog: str = "",
        confidence_threshold: float | None = None,
        alternatives_count: int = _ALTERNATIVES_COUNT,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
    ) -> None:
        """Prepare; the server is asked at the first call.

        Args:
            target: HOST:PORT or any gRPC target.
            catalog: Whose routes; empty: the default one.
            confidence_threshold: [0, 1]; None: the server decides.
            alternatives_count: Routes that can have a score above 0, at least 1; within the server's limit.
            timeout_seconds: Deadline of each call, above 0.
            credentials: For TLS; None speaks plain text.
            token: Says who we are, where the server asks.
        """
        self._known: tuple[Route, ...] = ()
        super().__init__((), confidence_threshold)
        self._options = Options(catalog=catalog, alternatives_count=alternatives_count)
        self._connection: dict[str, Any] = {
            "timeout_seconds": timeout_seconds,
            "credentials": credentials,
            "token": token,
        }
        self._target = target
        self._client = Client(target, **self._connection)
        self._async_clients: dict[asyncio.AbstractEventLoop, AsyncClient] = {}
        self._clients_change = threading.Lock()
        self._closed = False
        self._routes_of: dict[str, tuple[Route, ...]] = {}  # by revision: replicas may serve two side by side
        self._calibrated = True

    @property
    def routes(self) -> list[Route]:
        """The names of the catalog's routes, as of the last call; none before the first, until `refresh`."""
        return list(self._known)

    @routes.setter
    def routes(self, routes: Sequence[Route]) -> None:
        pass  # the base class assigns them; the server has them

    @property
    def calibrated(self) -> bool:
        """Whether confidences are probabilities; not of a catalog that is too small to be calibrated."""
        return self.calibrator is not None or self._calibrated

    def refresh(self) -> None:
        """Read the names of the routes from the server.

        Raises:
            ValueError: it has no such catalog.
            FingerpostError: it did not answer.
        """
        self._known = self._routes_in(self._open_client().info())

    async def arefresh(self) -> None:
        """As `refresh`."""
        self._known = self._routes_in(await self._info())

    def close(self) -> None:
        """End the connections; calls raise from now on."""
        with self._clients_change:
            self._closed = True
            self._async_clients.clear()  # a channel that nobody holds closes itself, on whatever loop it was
        self._client.close()

    async def aclose(self) -> None:
        """As `close`, and waits for the connection of this event loop."""
        own = self._async_clients.get(asyncio.get_running_loop())
        self.close()
        if own is not None:
            await own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _scores(self, query: str) -> dict[str, float]:
        decision = await self._decide(query)
        if decision.revision not in self._routes_of:
            self._routes_of[decision.revision] = self._routes_in(await self._info())
        self._known = self._routes_of[decision.revision]
        if not decision.degraded:  # which tells nothing of the catalog
            self._calibrated = decision.calibration != _UNCALIBRATED
        return _scores_of(decision, self._known)

    def _bar(self, name: str) -> float | None:
        own: float | None = super()._bar(name)
        if own is None and isinstance(name, _Judged):
            return -math.inf if name.taken else math.inf
        return own

    async def _on_add(self, routes: list[Route]) -> None:
        raise _unchangeable()

    async def _on_remove(self, name: str) -> None:
        raise _unchangeable()

    async def _decide(self, query: str) -> Decision:
        if in_sync_call():  # on the library's own loop, which all of its routers share
            return await asyncio.to_thread(self._open_client().route, query, self._options)
        return await self._async_client().route(query, self._options)

    async def _info(self) -> ServerInfo:
        if in_sync_call():
            return await asyncio.to_thread(self._open_client().info)
        return await self._async_client().info()

    def _open_client(self) -> Client:
        if self._closed:
            raise _closed()
        return self._client

    def _async_client(self) -> AsyncClient:
        """The client of the running loop: a channel of grpc.aio belongs to the loop that it was made on."""
        loop = asyncio.get_running_loop()
        with self._clients_change:
            if self._closed:
                raise _closed()
            for ended in [known for known in self._async_clients if known.is_closed()]:
                del self._async_clients[ended]
            if loop not in self._async_clients:
                self._async_clients[loop] = AsyncClient(self._target, **self._connection)
            return self._async_clients[loop]

    def _routes_in(self, info: ServerInfo) -> tuple[Route, ...]:
        wanted = self._options.catalog or _DEFAULT_CATALOG
        catalog: CatalogInfo | None = next((known for known in info.catalogs if known.name == wanted), None)
        if catalog is None:
            raise ValueError(f"the server has no catalog {wanted}, only {[known.name for known in info.catalogs]}")
        if not catalog.routes:
            raise ValueError(f"catalog {wanted} has no routes: add some to its route files")
        return tuple(Route(name=name) for name in catalog.routes)


def _scores_of(decision: Decision, known: Sequence[Route]) -> dict[str, float]:
    """A score of every route: its confidence, 0 where it was not considered, 1 where a rule took it.

    Without a calibration there are no confidences, and the scores before it stand for them.
    """
    scores = {route.name: 0.0 for route in known}
    for alternative in decision.alternatives:
        scores[alternative.route] = alternative.score if alternative.confidence is None else alternative.confidence
    if decision.route and decision.outcome != _MATCHED:
        scores[decision.route] = 1.0
    return {_Judged(name, taken=name == decision.route): score for name, score in scores.items()}


def _unchangeable() -> NotImplementedError:
    return NotImplementedError("the routes of a server are changed in its route files: edit them and reindex")


def _closed() -> ValueError:
    return ValueError("this RemoteRouter is closed: make a new one")
