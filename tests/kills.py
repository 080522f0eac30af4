"""Kills: a change of a data folder that is ended by SIGKILL at a named step, and what must hold afterwards."""

import multiprocessing
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import approve_revision, go_back, move_pointer, open_pointers, propose_revision
from fingerpost.bootstrap.sharing import whole
from fingerpost.failpoints import Step, arm_by_setting
from fingerpost.release.audit import first_fault
from fingerpost.release.proposing import proposal_of, propose
from fingerpost.types import Action
from tests.ledgers import pointers_of, told
from tests.unit.test_encoder_folder import FILES, MANIFEST_VALUE, open_and_verify
from tests.unit.test_file_store import put

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.kills"])
_SECONDS = 60

_FILE_STEPS = (Step.FILE_WRITTEN, Step.FILE_SYNCED, Step.FILE_RENAMED, Step.FOLDER_SYNCED, Step.POINTER_FOLLOWED)
_LEDGER_STEPS = (Step.LEDGER_LOCKED, Step.LEDGER_WORKED, Step.LEDGER_WRITTEN, Step.LEDGER_COMMITTED)


@dataclass(frozen=True)
class Site:
    """A data folder that serves its second revision, with a third one to come."""

    root: Path
    first: str
    second: str
    third: str
    proposed: str


def site_at(root: Path) -> Site:
    first, second, third, proposed = (put(root, text) for text in ("one", "two", "three", "four"))
    pointers = pointers_of(root)
    pointers.activate("default", first)
    pointers.activate("default", second)
    propose(pointers.ledger, "somebody else", "proposal", "default", proposed, "", 1)
    return Site(root, first, second, third, proposed)


# --- What is killed: each runs in a process of its own ---------------------------------------------------------------


def _publish(site: Site) -> None:
    put(site.root, "new", "newer", "newest")


def _publish_over_damage(site: Site) -> None:
    (site.root / "revisions" / site.third / "index.faiss").write_bytes(b"damaged")
    put(site.root, "three")


def _activate(site: Site) -> None:
    move_pointer(DataFolder(site.root), "default", site.third, 2)


def _roll_back(site: Site) -> None:
    go_back(DataFolder(site.root), "default", None)


def _propose(site: Site) -> None:
    propose_revision(DataFolder(site.root), "default", site.third, "comment")


def _approve(site: Site) -> None:
    approve_revision(DataFolder(site.root), "default", site.proposed, "comment")


def _store_encoder(site: Site) -> None:
    from fingerpost.backends.encoder.folder import write_encoder

    write_encoder(site.root / "encoders", MANIFEST_VALUE, FILES)


@dataclass(frozen=True)
class Change:
    """Something that people do, the steps that it passes, and how often it passes the first ones of them."""

    name: str
    run: Callable[[Site], None]
    steps: tuple[Step, ...]
    often: dict[Step, int] = field(default_factory=dict)


_FOLDER = (Step.FILE_WRITTEN, Step.FILE_SYNCED, Step.FOLDER_FILLED, Step.FOLDER_RENAMED, Step.FOLDER_SYNCED)
_MANY = {Step.FILE_WRITTEN: 7, Step.FILE_SYNCED: 7, Step.FOLDER_SYNCED: 2}

CHANGES = (
    Change("publish", _publish, (*_FOLDER, Step.REVISION_STORED), _MANY),
    Change("publish over damage", _publish_over_damage, (Step.FOLDER_SET_ASIDE, Step.FOLDER_RENAMED)),
    Change("activate", _activate, (*_LEDGER_STEPS, *_FILE_STEPS)),
    Change("roll back", _roll_back, (*_LEDGER_STEPS, *_FILE_STEPS)),
    Change("propose", _propose, _LEDGER_STEPS),
    Change("approve", _approve, _LEDGER_STEPS),
    Change("store an encoder", _store_encoder, (*_FOLDER, Step.ENCODER_STORED, Step.ENCODER_REMEMBERED), _MANY),
)
CASES = [(change, step) for change in CHANGES for step in change.steps]


def _killed(change: str, site: Site, failpoint: str) -> None:
    arm_by_setting(failpoint)
    next(one for one in CHANGES if one.name == change).run(site)


class InjectorSilent(AssertionError):
    """The change ended without being killed: the run proves nothing."""


def kill(change: Change, step: Step, site: Site, draw: np.random.Generator) -> None:
    """End the change at the step, at one of the times that it is reached.

    Raises:
        InjectorSilent
    """
    nth = int(draw.integers(change.often.get(step, 1))) + 1
    process = _CONTEXT.Process(target=_killed, args=(change.name, site, f"kill:{step}@{nth}"))
    process.start()
    process.join(_SECONDS)
    if process.exitcode != -signal.SIGKILL:
        raise InjectorSilent(f"{change.name} was not killed at {step} ({nth}): exit code {process.exitcode}")


def check(site: Site, change: Change, step: Step) -> None:
    """What must hold after a kill: old or new, whole; nothing lost, nothing twice; the next command goes on."""
    root = site.root
    pointers = pointers_of(root)  # a command, which mends what a kill left undone
    entries, head = pointers.ledger.audit()
    assert first_fault(entries, head) is None
    pointer = pointers.read("default")
    assert pointer is not None
    assert told(root) == (pointer.revision, pointer.generation)
    whole(DataFolder(root), pointer.revision)
    moves = [one.event for one in entries if one.event.action in (Action.ACTIVATE, Action.ROLL_BACK)]
    assert [int(one.details["generation"]) for one in moves] == list(range(1, len(moves) + 1))
    done = len(moves) - 2 + sum(one.event.action in (Action.PROPOSE, Action.APPROVE) for one in entries) - 1
    assert done in (0, 1)
    if step in (Step.LEDGER_COMMITTED, *_FILE_STEPS) and change.name in ("activate", "roll back"):
        assert done == 1, "what was committed is there"
    if step in (Step.LEDGER_LOCKED, Step.LEDGER_WORKED, Step.LEDGER_WRITTEN):
        assert done == 0, "what was not committed is not"
    new = {"activate": site.third, "roll back": site.first}.get(change.name, site.second)
    assert pointer.revision == (new if done else site.second)
    for folder in (root / "revisions").iterdir():
        if len(folder.name) == 64 and not (change.name == "publish over damage" and folder.name == site.third):
            whole(DataFolder(root), folder.name)
    assert proposal_of(one for one in entries if one.event.revision == site.proposed) is not None
    _check_next(site, change)


def _check_next(site: Site, change: Change) -> None:
    """The same change again succeeds, and leaves nothing of the one before."""
    root = site.root
    if change.name == "publish":
        change.run(site)
    if change.name == "publish over damage":
        put(root, "three")
        whole(DataFolder(root), site.third)
    if change.name == "store an encoder":
        change.run(site)
        [folder] = [path for path in (root / "encoders").iterdir() if len(path.name) == 64]
        open_and_verify(folder)
    put(root, "after")
    with open_pointers(DataFolder(root)) as pointers:
        pointers.activate("default", site.first)
    left = [path for path in root.rglob("*") if path.name.startswith(".scratch-") or path.name.endswith(".new")]
    assert left == []


def rounds(root: Path, change: Change, step: Step, times: int, seed: int) -> int:
    """Kill so many times, each from a fresh folder, and check; how many kills happened."""
    draw = np.random.default_rng([seed, *f"{change.name} {step}".encode()])
    template = root / "template"
    site = site_at(template)
    for number in range(times):
        here = Site(root / f"{number}", site.first, site.second, site.third, site.proposed)
        shutil.copytree(template, here.root)
        kill(change, step, here, draw)
        check(here, change, step)
        shutil.rmtree(here.root)
    return times
