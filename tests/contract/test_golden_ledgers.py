"""Ledgers that earlier versions made: opened, verified, brought up to date, and gone on with."""

import shutil
from pathlib import Path

import pytest

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import open_pointers
from fingerpost.release.audit import verified
from fingerpost.release.pointing import roll_back
from fingerpost.release.proposing import propose
from fingerpost.types import Activation

GOLDEN = Path(__file__).parents[1] / "data" / "golden_ledgers"


@pytest.mark.fault("D11")
@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.sqlite")), ids=lambda path: path.stem)
def test_a_golden_ledger_goes_on(tmp_path: Path, golden: Path) -> None:
    """Its pointers, history and audit are what they were, and the next changes follow them."""
    shutil.copy(golden, tmp_path / "ledger.sqlite")
    with open_pointers(DataFolder(tmp_path)) as pointers:
        entries, head = pointers.ledger.audit()
        assert verified(entries, head, "37ea5047ec82").sequence == 5
        assert pointers.ledger.pointers() == [Activation("default", "b" * 64, 4), Activation("team", "c" * 64, 1)]
        actions = [str(entry.event.action) for entry in entries]
        assert actions == ["activate", "activate", "activate", "activate", "roll_back"]
        made = roll_back(pointers.ledger, "os:now", "now", "default", "c", lambda _: None)
        assert (made.activation.revision, made.activation.generation) == ("c" * 64, 5)
        propose(pointers.ledger, "ann", "then", "team", "d" * 64, "", 1)
    with open_pointers(DataFolder(tmp_path)) as pointers:
        assert verified(*pointers.ledger.audit()).sequence == 7


def test_there_are_golden_ledgers() -> None:
    """The folder is where the test above looks for it."""
    assert list(GOLDEN.glob("*.sqlite"))
