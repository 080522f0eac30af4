"""A local door: a Unix socket whose callers the operating system names.

gRPC does not tell which user is behind a Unix socket. So the socket that users know is ours: for each connection we ask
the operating system, and connect on to gRPC from a socket with an abstract name that nobody else has. That name is what
gRPC calls the peer, and `users` tells whose it is. The inner address is abstract too, and every user of the machine can
connect to it: who does so from elsewhere is a peer of no known name, and nobody to us.
"""

import asyncio
import contextlib
import os
import pwd
import secrets
import socket
import stat
import struct
from collections.abc import Coroutine, Mapping
from pathlib import Path

from fingerpost.errors import ErrorReason, FailedPrecondition

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_CHUNK = 65_536
_LONGEST = 107  # bytes of a Unix socket's path
_CONNECTIONS = 256  # at a time; more are closed as they come


class LocalDoor:
    """Lets users of this machine in by one path, while it is open."""

    def __init__(self, path: Path, *, for_all: bool) -> None:
        """Nothing listens yet.

        Args:
            path: Of the socket.
            for_all: Whether all users of this machine may knock, or only the one who runs this process and root.
        """
        self.path = path
        self.inner = f"unix-abstract:fingerpost-{secrets.token_hex(16)}"
        self._mode = 0o666 if for_all else 0o600
        self._users: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._opened: tuple[int, int] | None = None  # device and inode of the socket
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def users(self) -> Mapping[str, str]:
        """Names of users by the peer that gRPC sees, as long as they are connected."""
        return self._users

    def check(self) -> None:
        """Make sure that the path can be taken.

        Raises:
            FailedPrecondition: ADDRESS_UNAVAILABLE, with what is wrong.
        """
        if len(os.fsencode(self.path)) > _LONGEST:
            raise _unavailable(f"{self.path} is longer than {_LONGEST} bytes, which no socket's path may be")
        if not self.path.parent.is_dir() or not os.access(self.path.parent, os.W_OK):
            raise _unavailable(f"{self.path.parent} is no folder that can be written")
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self.path.stat().st_mode):
                raise _unavailable(f"{self.path} is there already, and no socket")
            if _answers(self.path):
                raise _unavailable(f"another server listens on {self.path}")

    async def open(self) -> None:
        """Listen; what a server that was killed has left is replaced.

        Raises:
            FailedPrecondition: ADDRESS_UNAVAILABLE.
        """
        self.check()
        self.path.unlink(missing_ok=True)
        try:
            # The mask keeps others out from the first moment on.
            before = os.umask(0o777 & ~self._mode)
            try:
                self._server = await asyncio.start_unix_server(self._met, self.path)
                self._opened = _file_of(self.path)
            finally:
                os.umask(before)
        except OSError as error:
            raise _unavailable(f"{self.path}: {error.strerror}") from error

    async def close(self) -> None:
        """Let nobody in any more, and end the connections that are left."""
        if self._server is None:
            return
        if _file_of(self.path) == self._opened:  # else another server has taken the path
            self.path.unlink(missing_ok=True)
        self._server.close()
        for task in tuple(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._passing) >= _CONNECTIONS:
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  asyncio runs this in a task
        self._passing.add(task)
        try:
            await self._passed(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone, which ends the other
        finally:
            self._passing.discard(task)
            writer.close()

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user = _user_of(writer.get_extra_info("socket"))
        name = f"fingerpost-{secrets.token_hex(16)}"
        peer = f"unix-abstract:{name}"
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        inner.setblocking(False)
        inner.bind(f"\0{name}")
        self._users[peer] = user
        back: asyncio.StreamWriter | None = None
        try:
            await asyncio.get_running_loop().sock_connect(inner, "\0" + self.inner.partition(":")[2])
            there, back = await asyncio.open_unix_connection(sock=inner)
            await _until_one_ends(_pump(reader, back), _pump(there, writer))
        finally:
            del self._users[peer]  # before the name is free, and somebody else can take it
            if back is None:
                inner.close()
            else:
                back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


async def _until_one_ends(*ways: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _user_of(connection: socket.socket) -> str:
    """Name of the user at the other end, as of when they connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return user_name(_CREDENTIALS.unpack(raw)[1])


def user_name(uid: int) -> str:
    """Name of a user of this machine; the number of one who has none, as in a container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _file_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _answers(path: Path) -> bool:
    """Whether somebody listens: one who is too busy to answer, or lets us not in, does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True


def _unavailable(what: str) -> FailedPrecondition:
    return FailedPrecondition(f"the admin listener cannot be opened: {what}", ErrorReason.ADDRESS_UNAVAILABLE)
