"""Key file: a secret of a data folder, made by whoever needs it first, for its user alone."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

KEY_BYTES = 32


def key_in(path: Path) -> bytes:
    """The secret of that file, 32 bytes; it is made where there is none.

    Raises:
        OSError: it can neither be read nor made.
        ValueError: the file holds no such secret.
    """
    if not path.exists():
        _put(path, secrets.token_bytes(KEY_BYTES), os.link)
    key = bytes.fromhex(path.read_text(encoding="ascii"))
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} holds no key of {KEY_BYTES} bytes")
    return key


def replace_key(path: Path, key: bytes) -> None:
    """Keep another secret in the file.

    Raises:
        OSError: it cannot be written.
    """
    _put(path, key, os.replace)


def _put(path: Path, key: bytes, name: Callable[[str, Path], None]) -> None:
    """Whole or not at all; of several processes that link at once the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # for its user alone
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex())
        file.flush()
        os.fsync(file.fileno())  # a name without its content would be in everybody's way
    try:
        with contextlib.suppress(FileExistsError):
            name(made, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)
