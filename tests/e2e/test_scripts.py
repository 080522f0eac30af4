"""The scripts on machines that lack something: one line that says what to do, and nothing half done."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ServerProcess

ROOT = Path(__file__).parents[2]
NEEDED = ["scripts", "routes", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "server/fingerpost"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a fresh clone holds of what the scripts need, with a bin folder that goes before the system's."""
    for name in NEEDED:
        source, target = ROOT / name, tmp_path / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (tmp_path / "bin").mkdir()
    return tmp_path / "clone"


def stand_in(checkout: Path, name: str, script: str) -> None:
    """A program of this machine that behaves as on a poorer one."""
    path = checkout.parent / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def serve(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout.parent / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["./scripts/serve", *arguments],
        cwd=checkout,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    [line] = done.stderr.strip().splitlines()
    assert done.returncode != 0
    for word in words:
        assert word in line


def test_no_python(checkout: Path) -> None:
    """Without the named Python the line says what to install."""
    assert_one_line(serve(checkout, PYTHON="python-that-is-not-there"), "python-that-is-not-there", "install")


def test_an_old_python(checkout: Path) -> None:
    """An old Python is refused by its version."""
    stand_in(checkout, "python3", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    assert_one_line(serve(checkout), "Python 3.9.2", "3.11 to 3.13", "PYTHON=")


def test_no_venv_module(checkout: Path) -> None:
    """A Python without its venv module is told apart, with the package that brings it."""
    stand_in(checkout, "python3", 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    assert_one_line(serve(checkout), "python3-venv")


def test_no_disk_space(checkout: Path) -> None:
    """Too little room is told before anything is written."""
    stand_in(
        checkout,
        "df",
        "echo 'Filesystem 1048576-blocks Used Available Capacity Mounted on'; echo '/dev/x 9 9 12 99% /'",
    )
    assert_one_line(serve(checkout), "12 MB are free", "make room")
    assert not (checkout / ".venv").exists()


def test_no_network(checkout: Path) -> None:
    """When pip cannot reach its index the last line says so, and a repeat tries again."""
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
        "PIP_TIMEOUT": "1",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    done = subprocess.run(
        ["./scripts/serve"],
        cwd=checkout,
        env={**environment, **nowhere},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("check the network and the package index, then repeat")
    assert len(done.stderr.strip().splitlines()) == 2
    assert not (checkout / ".venv" / "installed").exists()


def test_a_taken_port(starter: ServerProcess, published: Path) -> None:
    """scripts/serve on a taken port ends with the server's own one line and exit code 5."""
    done = subprocess.run(
        ["./scripts/serve", "--listen", starter.address],
        cwd=ROOT,
        env={**os.environ, "FINGERPOST_DATA": str(published)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 5
    assert_one_line(done, starter.address, "--listen")
