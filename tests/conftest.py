"""What all tests share: the default encoder, built once and kept between runs, and who runs beside whom."""

import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported: no test may wait for a network

import pytest

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.backends.encoder.folder import find
from fingerpost.backends.encoder.source import EncoderSource
from fingerpost.ports import NoProgress
from tests.ledgers import Store, postgres_store, sqlite_store
from tests.postgres import Postgres, running_postgres
from tests.turns import turn

_CACHE = Path(__file__).parents[1] / ".cache" / "encoders"
_TURNS = Path(__file__).parents[1] / ".cache" / "turns"


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that run alone come last, so that fewer of the others wait for them."""
    items.sort(key=_is_alone)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """The wait for a turn is outside a test's time limit."""
    _TURNS.mkdir(parents=True, exist_ok=True)
    with turn(_TURNS, alone=_is_alone(item)):
        return (yield)


@pytest.fixture(scope="session")
def encoders_folder() -> Path:
    """A folder of encoders that holds the default one; tests must not change it."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test runs side by side wait for one build
        if find(_CACHE, EncoderSource()) is None:
            from fingerpost.backends.encoder.export import build_encoder

            build_encoder(EncoderSource(), _CACHE, NoProgress())
    return _CACHE


@pytest.fixture(scope="session")
def encoder_digest(encoders_folder: Path) -> str:
    digest = find(encoders_folder, EncoderSource())
    assert digest is not None
    return digest


@pytest.fixture(scope="session")
def encoder(encoders_folder: Path, encoder_digest: str) -> OnnxEncoder:
    return OnnxEncoder.open(encoders_folder / encoder_digest, encoder_digest)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL; there is no test run without one."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A data folder whose ledger is new, in each of the databases."""
    if request.param == "sqlite":
        with sqlite_store(tmp_path) as made:
            yield made
    else:
        with postgres_store(tmp_path, request.getfixturevalue("postgres")) as made:
            yield made
