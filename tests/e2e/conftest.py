"""A published starter set and real server processes."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ServerProcess, fingerpost

ROUTES = Path(__file__).parents[2] / "routes"


@pytest.fixture(scope="session")
def published(encoders_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the encoder and the published starter routes; tests must not change it."""
    data = tmp_path_factory.mktemp("published") / "data"
    shutil.copytree(encoders_folder, data / "encoders")
    fingerpost("reindex", "--routes", ROUTES, "--data", data)
    return data


@pytest.fixture
def data(published: Path, tmp_path: Path) -> Path:
    """A copy of the published data folder, to change at will."""
    return Path(shutil.copytree(published, tmp_path / "data"))


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
