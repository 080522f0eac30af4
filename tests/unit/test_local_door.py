"""The local door: whose socket stands at its path."""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from fingerpost.errors import FailedPrecondition
from fingerpost.rpc.local_door import LocalDoor


def listening(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(str(path))
    made.listen(0)
    return made


def test_a_server_that_is_too_busy_to_answer_keeps_its_socket(tmp_path: Path) -> None:
    """A full queue of connections is no sign of a killed server."""
    path = tmp_path / "admin.sock"
    with ExitStack() as stack:
        stack.enter_context(listening(path))
        stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)).connect(str(path))
        with pytest.raises(FailedPrecondition, match="another server listens"):
            LocalDoor(path, for_all=False).check()


def test_what_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    """A socket that nobody listens on stops no start."""
    path = tmp_path / "admin.sock"
    listening(path).close()

    async def opened() -> bool:
        door = LocalDoor(path, for_all=False)
        await door.open()
        there = path.is_socket()
        await door.close()
        return there

    assert asyncio.run(opened())
    assert not path.exists()


def test_closing_leaves_the_socket_of_another_server(tmp_path: Path) -> None:
    """Whoever took the path meanwhile keeps it."""
    path = tmp_path / "admin.sock"

    async def replaced() -> None:
        door = LocalDoor(path, for_all=False)
        await door.open()
        path.rename(tmp_path / "old.sock")  # its number must not be given to the next
        with listening(path):
            await door.close()

    asyncio.run(replaced())
    assert path.is_socket()
