"""Pointers moved by hand, as an operator does it: commands, a server that follows, and wrong input."""

import json
import sqlite3
from pathlib import Path

import pytest

from fingerpost.client import Client
from tests.e2e.test_comparing_revisions import active
from tests.ledgers import pointers_of
from tests.processes import ServerProcess, fingerpost
from tests.unit.test_file_store import put
from tests.watched import until


@pytest.mark.fault("S13")
def test_a_server_follows(data: Path) -> None:
    """A roll back reaches a running server; a damaged current revision and a missing encoder do not keep it."""
    first = active(data)
    second = put(data, "of another encoder")
    with ServerProcess(data) as server, Client(server.address, timeout_seconds=30) as client:
        pointers_of(data).activate("default", second)
        until(lambda: client.info().catalogs[0].refused_reloads_count > 0, 30)
        assert client.info().catalogs[0].revision == first, "what cannot be served is refused, the last good one stays"
        pointers_of(data).activate("default", first)
        fingerpost("activate", second, "--data", data)
        done = json.loads(fingerpost("rollback", "--data", data, "--json").stdout)
        assert (done["action"], done["revision"], done["details"]["generation"]) == ("roll_back", first, "5")
        until(lambda: client.info().catalogs[0].generation == 5, 30)
    kept = json.loads(fingerpost("audit", "list", "--data", data, "--json").stdout)
    assert [entry["details"]["generation"] for entry in kept] == ["5", "4", "3", "2", "1"]
    assert {entry["actor"][:3] for entry in kept} == {"os:"}


def test_wrong_input_changes_nothing(data: Path) -> None:
    """Unknown, short and ambiguous revisions, a generation that is over, a catalog that is none: told, not done."""
    before = fingerpost("audit", "list", "--data", data, "--json").stdout
    for arguments, words in (
        (("activate", "0123456789ab"), "no revision"),
        (("activate", "01"), "at least 6 characters"),
        (("activate", active(data), "--expect-generation", "7"), "is at generation 1, not 7"),
        (("rollback",), "never served another revision"),
        (("rollback", active(data)[:8]), "already"),
        (("rollback", "--catalog", "team"), "never served a revision"),
        (("history", "--catalog", "../x"), "a catalog's name is"),
        (("audit", "verify", "--head", "abc"), "at least 12 characters"),
    ):
        assert words in fingerpost(*arguments, "--data", data, code=7).stderr
    assert "not in the chain" in fingerpost("audit", "verify", "--head", "0" * 64, "--data", data, code=6).stderr
    assert fingerpost("audit", "list", "--data", data, "--json").stdout == before


@pytest.mark.fault("X11")
def test_a_rewritten_audit_is_found_out(data: Path, tmp_path: Path) -> None:
    """An entry that was changed behind the program's back is named; the exported file has every hash."""
    with sqlite3.connect(data / "ledger.sqlite") as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET actor = 'os:nobody' WHERE sequence = 1")
    assert "entry 1: it is not what was written" in fingerpost("audit", "verify", "--data", data, code=6).stderr
    fingerpost("audit", "export", tmp_path / "audit.jsonl", "--data", data)
    [line] = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["actor"] == "os:nobody"


@pytest.mark.fault("S14", "X10")
def test_a_damaged_ledger_leaves_the_server_alone(data: Path) -> None:
    """Commands refuse with exit code 6 and say what to do; a server starts and answers."""
    (data / "ledger.sqlite").write_bytes(b"not a database" * 1_000)
    assert "Put a backup in its place" in fingerpost("rollback", "--data", data, code=6).stderr
    with ServerProcess(data) as server, Client(server.address, timeout_seconds=30) as client:
        assert client.route("write a function").revision == active(data)


def test_commands_propose_reject_and_show(data: Path) -> None:
    """Proposals by command: said what comes next, listed, and not approved by their author."""
    second = put(data, "of another encoder")
    made = fingerpost("propose", second[:12], "--data", data, "--comment", "more [bold]words[/]").stdout
    assert "is approved for catalog default" in made
    assert f"Next: fingerpost activate {second[:12]}" in made, "neither policy asks for approvals"
    assert "somebody else" in fingerpost("approve", second, "--data", data, code=7).stderr
    fingerpost("reject", second, "--data", data, code=2)
    told = json.loads(fingerpost("reject", second, "--data", data, "--comment", "no", "--json").stdout)
    assert (told["state"], told["rejection"]["comment"]) == ("rejected", "no")
    listed = fingerpost("proposals", "--data", data).stdout
    assert "rejected" in listed
    assert "more [bold]words[/]" in listed
    kept = json.loads(fingerpost("proposals", "--data", data, "--json").stdout)
    assert [one["comment"] for one in kept] == ["more [bold]words[/]"]
    assert [one["action"] for one in json.loads(fingerpost("history", "--data", data, "--json").stdout)] == ["activate"]
