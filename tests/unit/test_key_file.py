"""A secret in a file: made once, for its user alone, whoever comes first."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Thread

import pytest

from fingerpost.key_file import KEY_BYTES, key_in, replace_key

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def test_it_is_made_once(tmp_path: Path) -> None:
    """In a folder that is made too, readable by its user alone, and the same from then on."""
    path = tmp_path / "data" / "decisions.key"
    key = key_in(path)
    assert len(key) == KEY_BYTES
    assert key_in(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["decisions.key"]
    assert key_in(tmp_path / "other.key") != key


def _make(path: Path, together: Barrier, made: "SimpleQueue[bytes]") -> None:
    together.wait(60)
    made.put(key_in(path))


def test_processes_at_once_have_one_key(tmp_path: Path) -> None:
    """Whoever is first; nothing else is left of those that came later."""
    path, together, made = tmp_path / "decisions.key", _CONTEXT.Barrier(4), _CONTEXT.SimpleQueue()
    processes = [_CONTEXT.Process(target=_make, args=(path, together, made)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert {made.get() for _ in processes} == {key_in(path)}
    assert [one.name for one in tmp_path.iterdir()] == ["decisions.key"]


def test_threads_at_once_have_one_key(tmp_path: Path) -> None:
    """Many times over, so that some meet."""
    for round_ in range(20):
        path, keys = tmp_path / f"{round_}" / "decisions.key", list[bytes]()
        threads = [Thread(target=_kept(path, keys)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert (len(keys), set(keys)) == (8, {key_in(path)})


def _kept(path: Path, keys: list[bytes]) -> Callable[[], None]:
    return lambda: keys.append(key_in(path))


def test_another_key_takes_its_place(tmp_path: Path) -> None:
    """Also where there was none."""
    path = tmp_path / "decisions.key"
    for byte in (1, 2):
        replace_key(path, bytes([byte]) * KEY_BYTES)
        assert key_in(path) == bytes([byte]) * KEY_BYTES
    assert [one.name for one in tmp_path.iterdir()] == ["decisions.key"]


@pytest.mark.parametrize("content", ["", "ab", "zz" * KEY_BYTES, "ab" * (KEY_BYTES + 1)])
def test_a_file_that_holds_none(tmp_path: Path, content: str) -> None:
    """It is not made anew in silence: ids of decisions would be lost."""
    path = tmp_path / "decisions.key"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"decisions\.key holds no key|non-hexadecimal"):
        key_in(path)
    assert path.read_text() == content


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """It is an error of the system."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(OSError, match="data"):
        key_in(tmp_path / "data" / "decisions.key")
