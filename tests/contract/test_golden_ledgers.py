"""Ledgers that earlier versions made: opened, verified, brought up to date, and gone on with."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from fingerpost.backends.ledger.migrating import LATEST
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import open_pointers
from fingerpost.ports import Records
from fingerpost.release.audit import verified
from fingerpost.release.pointing import roll_back
from fingerpost.release.proposing import propose
from fingerpost.types import (
    AccountKey,
    Action,
    Activation,
    CallStatus,
    Debit,
    Event,
    Override,
    Report,
    Standing,
    Verdict,
)
from tests.accounts import report_row, want
from tests.ledgers import sqlite_store

GOLDEN = Path(__file__).parents[1] / "data" / "golden_ledgers"


ACTIONS = {
    "0001": ["activate", "activate", "activate", "activate", "roll_back"],
    "0102": ["activate", "activate", "activate", "activate", "roll_back", "set"],
}
HEADS = {"0001": "37ea5047ec82", "0102": "0d129fb0921c"}


@pytest.mark.fault("D11")
@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.sqlite")), ids=lambda path: path.stem)
def test_a_golden_ledger_goes_on(tmp_path: Path, golden: Path) -> None:
    """Its pointers, history and audit are what they were, and the next changes follow them."""
    shutil.copy(golden, tmp_path / "ledger.sqlite")
    with open_pointers(DataFolder(tmp_path)) as pointers:
        entries, head = pointers.ledger.audit()
        assert [str(entry.event.action) for entry in entries] == ACTIONS[golden.stem]
        assert verified(entries, head, HEADS[golden.stem]).sequence == len(entries)
        assert pointers.ledger.pointers() == [Activation("default", "b" * 64, 4), Activation("team", "c" * 64, 1)]
        made = roll_back(pointers.ledger, "os:now", "now", "default", "c", lambda _: None)
        assert (made.activation.revision, made.activation.generation) == ("c" * 64, 5)
        propose(pointers.ledger, "ann", "then", "team", "d" * 64, "", 1)
    with open_pointers(DataFolder(tmp_path)) as pointers:
        assert verified(*pointers.ledger.audit()).sequence == len(entries) + 2


@pytest.mark.fault("D11")
@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.sqlite")), ids=lambda path: path.stem)
def test_a_golden_ledger_keeps_money(tmp_path: Path, golden: Path) -> None:
    """Whatever its layout was: an account is opened, spent, reported and cleared, and something is set by hand."""
    shutil.copy(golden, tmp_path / "ledger.sqlite")
    with sqlite_store(tmp_path) as store:
        treasury, reports, ledger = store.treasury(), store.reports(), store.ledger()
        before = treasury.standings()
        [slice_] = treasury.lease("one", [want("new", 60)])
        reports.record([report_row("new", "ann", 10, Debit(slice_.account, 20))])
        treasury.give_back("one", {"new": 0})
        assert next(one for one in treasury.standings() if one not in before).used_usd_micros == 50
        assert len(treasury.notice([50], 5)) == 1
        override = Override("default", "experiment", "prices", {"running": "false"}, "os:now", 7)

        def work(records: Records) -> Event:
            records.put_override(override)
            assert records.clear_account(slice_.account).used_usd_micros == 0
            return Event("os:now", Action.SET, "default", "")

        ledger.change("set", work)
        assert override in ledger.overrides()
        assert ledger.secret("new", b"x") == b"x"


def test_a_golden_ledger_of_money(tmp_path: Path) -> None:
    """Accounts, slices, alerts, reports, settlements, what was set and what is secret are what they were."""
    shutil.copy(GOLDEN / "0102.sqlite", tmp_path / "ledger.sqlite")
    with sqlite_store(tmp_path) as store:
        treasury, reports, ledger = store.treasury(), store.reports(), store.ledger()
        start, now_us = 1_800_000_000, 1_800_000_010_000_000
        ann, bob = (AccountKey("default", "tenants", holder, start) for holder in ("ann", "bob"))
        assert treasury.standings() == [
            Standing(1, ann, start + 3_600, 1_000, True, 40, 690, 100, 0),
            Standing(2, bob, start + 3_600, 1_000, False, 70, 1_270, 200, 40),
        ]
        told = [(one.key, one.percent, one.attempts) for one in treasury.due_alerts(now_us, 9, now_us + 1)]
        assert told == [(bob, 50, 1), (bob, 80, 1), (bob, 100, 1)]
        kept = reports.reports(catalog="default", arms=["prices/cheap"])
        assert [(row.key[0], row.caller, row.cost_usd_micros) for row in kept] == [
            ("0", "ann", 40),
            ("0", "bob", 50),
            ("1", "ann", 70),
        ]
        assert kept[0].report == Report(
            "decision", "coder", CallStatus.OK, 10, 20, 40, 30, Verdict.GOOD_FIT, 0.5, "code"
        )
        assert kept[0].debits == (Debit(1, 60),)
        assert [one.repeated for one in reports.record([replace(kept[0], reported_us=9), kept[1]])] == [True, False]
        [override] = ledger.overrides()
        assert (override.kind, override.name, override.value) == ("budget", "tenants/ann", {"limit_usd_micros": "2000"})
        assert ledger.secret("decisions", b"another") == bytes(range(32))
        treasury.give_back("one", {"s1": 100})
        assert treasury.standings()[0].sliced_usd_micros == 0


@pytest.mark.fault("D11")
def test_steps_of_an_era_only_add(tmp_path: Path) -> None:
    """What the layout of the era's first step has, each later one has unchanged: its programs work on them all."""
    first, latest = (_layout(tmp_path / f"{name}.sqlite", name) for name in (f"{LATEST[:2]}01", LATEST))
    assert first < latest
    assert any("audit_no_update" in one for one in first)


def _layout(path: Path, name: str) -> set[str]:
    """Statements that make a ledger of that layout."""
    config = Config()
    config.set_main_option("script_location", "fingerpost.backends.ledger:migrations")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, name)
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")).scalars())


def test_there_are_golden_ledgers() -> None:
    """The folder is where the test above looks for it."""
    assert list(GOLDEN.glob("*.sqlite"))
