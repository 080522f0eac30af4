"""A published starter set and real server processes."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ServerProcess, fingerpost

ROUTES = Path(__file__).parents[2] / "routes"


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of the whole run, the same for all processes that it is spread over."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def published(encoders_folder: Path, run_folder: Path) -> Path:
    """A data folder that holds the encoder and the published starter routes; tests must not change it."""
    data = run_folder / "published"
    with (run_folder / ".publishing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # processes of the run wait for one publication
        if not data.exists():
            unfinished = Path(tempfile.mkdtemp(dir=run_folder)) / "data"
            shutil.copytree(encoders_folder, unfinished / "encoders")
            fingerpost("reindex", "--routes", ROUTES, "--data", unfinished)
            unfinished.rename(data)
    return data


def copy_of(data: Path, place: Path) -> Path:
    """A copy of a data folder, to change at will; but the hundred megabytes of its encoder must not be written to."""
    shutil.copytree(data, place, ignore=shutil.ignore_patterns("*.sock", "encoders"))
    shutil.copytree(data / "encoders", place / "encoders", copy_function=os.link)
    return place


@pytest.fixture
def data(published: Path, tmp_path: Path) -> Path:
    """A copy of the published data folder, to change at will."""
    return copy_of(published, tmp_path / "data")


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """A copy of the starter routes, to change at will."""
    return Path(shutil.copytree(ROUTES, tmp_path / "routes"))


@pytest.fixture
def serve() -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:

        def start(data: Path, **settings: Any) -> ServerProcess:
            return stack.enter_context(ServerProcess(data, **settings))

        yield start


@pytest.fixture(scope="session")
def starter(published: Path) -> Iterator[ServerProcess]:
    """A server of the starter routes; tests must not change it."""
    with ServerProcess(published) as server:
        yield server
