"""Failpoints: named steps of whatever must survive a fault, where a test can let one happen. Inert unless armed.

`FINGERPOST_FAILPOINT=kill:file-renamed` ends a command by SIGKILL when it has renamed a file; `kill:file-renamed@3` at
the third time; `error:ENOSPC:file-written` lets the operating system say so there. A value that means nothing ends the
command before it does anything, so that nobody takes a fault that never happens for one that is survived. The variable
is no setting of a server, which refuses to start with it.
"""

import errno
import os
import signal
from collections.abc import Callable
from enum import StrEnum

from fingerpost.errors import InvalidRequest


class Step(StrEnum):
    """What was just done when the step is reached."""

    FILE_WRITTEN = "file-written"  # all bytes of a file, which has its name not yet
    FILE_SYNCED = "file-synced"
    FILE_RENAMED = "file-renamed"
    FOLDER_FILLED = "folder-filled"  # every file of a folder, which has its name not yet
    FOLDER_SET_ASIDE = "folder-set-aside"  # the damaged one that had the name
    FOLDER_RENAMED = "folder-renamed"
    FOLDER_SYNCED = "folder-synced"
    REVISION_STORED = "revision-stored"
    ENCODER_STORED = "encoder-stored"  # what it was built from is not remembered yet
    ENCODER_REMEMBERED = "encoder-remembered"
    LEDGER_LOCKED = "ledger-locked"  # a change has begun
    LEDGER_WORKED = "ledger-worked"  # the pointer is written, its audit entry is not
    LEDGER_WRITTEN = "ledger-written"  # all of the change, but not committed
    LEDGER_COMMITTED = "ledger-committed"  # servers are not told yet
    POINTER_FOLLOWED = "pointer-followed"


Action = Callable[[Step], None]

_armed: Action | None = None


def reached(step: Step) -> None:
    """Say that the step was just done."""
    if _armed is not None:
        _armed(step)


def arm(action: Action | None) -> None:
    """Have the action called at every step that this process reaches; None: disarm."""
    global _armed
    _armed = action


def arm_by_setting(text: str) -> None:
    """Arm what the text says, and warn of it.

    Args:
        text: `kill:STEP` or `error:ERRNO:STEP`, with `@N` for the N-th time that the step is reached; see `Step`.

    Raises:
        InvalidRequest: that is none of them.
    """
    import structlog  # only here: this module is imported by whatever writes a file

    arm(_action(text))
    effect = "this process breaks on purpose: for tests alone"
    structlog.get_logger(__name__).warning("failpoint_armed", failpoint=text, effect=effect)


def _action(text: str) -> Action:
    *kind, place = text.split(":")
    name, _, times = place.partition("@")
    try:
        step, nth, act = Step(name), int(times or 1), _act(kind)
    except (ValueError, AttributeError) as error:
        raise InvalidRequest(
            f"FINGERPOST_FAILPOINT is {text!r}, not kill:STEP[@N] or error:ERRNO:STEP[@N], with a step of "
            f"{', '.join(Step)}: it is for tests alone, unset it"
        ) from error
    seen = 0

    def at(reached_now: Step) -> None:
        nonlocal seen
        if reached_now is step:
            seen += 1
            if seen == nth:
                act()

    return at


def _act(kind: list[str]) -> Callable[[], None]:
    match kind:
        case ["kill"]:
            return lambda: os.kill(os.getpid(), signal.SIGKILL)
        case ["error", name]:
            number = int(getattr(errno, name))

            def fail() -> None:
                raise OSError(number, os.strerror(number))

            return fail
    raise ValueError(kind)
