"""A server inside this process, for a look at a data folder without starting one by hand."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fingerpost.bootstrap.serving import build_server
from fingerpost.rpc.server import Running, start
from fingerpost.settings import read_settings

# Whatever the environment says of servers: this one is on loopback, and for this process.
_OURS_ALONE = {
    "listen": "127.0.0.1:0",
    "drain_wait_ms": 0,
    "drain_grace_ms": 0,
    "admin_listen": "none",
    "access": "",
    "tls_certificate": "",
    "tls_key": "",
    "tls_client_ca": "",
    "metrics_listen": "",
    "traces_endpoint": "",
    "decision_log": "",
}


@contextmanager
def local_server(data: Path) -> Iterator[str]:
    """Serve the data folder on a free loopback port while the context lasts; gives the address."""
    settings = read_settings({**_OURS_ALONE, "data": data})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="local-server", daemon=True)
    thread.start()
    try:
        running: Running = asyncio.run_coroutine_threadsafe(start(build_server(settings)), loop).result()
        try:
            yield running.address
        finally:
            asyncio.run_coroutine_threadsafe(running.drain(asyncio.Event()), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
