"""Work in a fresh process, asked through a pipe, so that it neither shares an interpreter nor inherits threads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection


@contextmanager
def child(work: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Run `work(pipe, *arguments)` in it, which ends when it reads None; a read fails when the process is gone."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        if process.is_alive():
            ours.send(None)
        process.join(30)
        ours.close()
