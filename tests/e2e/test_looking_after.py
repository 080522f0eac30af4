"""Catalogs looked after by commands: on the folder and through a running server, with approvals and without."""

import json
import shutil
from pathlib import Path

from fingerpost.client import Client
from tests.e2e.test_comparing_revisions import active
from tests.processes import ServerProcess, fingerpost
from tests.unit.test_file_store import put


def test_through_a_server_as_on_the_folder(data: Path) -> None:
    """Every command shows the same both ways; by default the user of the machine may do everything."""
    first, second = active(data), put(data, "of another encoder")
    door = f"unix:{data}/admin.sock"
    with ServerProcess(data, admin_listen=""):
        fingerpost("propose", second, "--comment", "more words", "--target", door)
        moved = json.loads(fingerpost("activate", first[:12], "--target", door, "--json").stdout)
        assert (moved["actor"][:3], moved["details"]["generation"]) == ("os:", "2")
        for command in (
            ("routes", "--json"),
            ("models", "--revision", second),
            ("revisions", "--json"),
            ("proposals", "--json"),
            ("history",),
            ("audit", "list", "--last", "2", "--json"),
            ("audit", "verify", "--head", moved["hash"]),
            ("compare", second),
            ("gc", "--keep", "1", "--dry-run"),
        ):
            here = fingerpost(*command, "--data", data).stdout
            assert fingerpost(*command, "--target", door).stdout == here, command
            assert here
        for arguments in (("activate", "ffffffffffff"), ("reject", first, "--comment", "x")):
            here = fingerpost(*arguments, "--data", data, code=7).stderr
            there = fingerpost(*arguments, "--target", door, code=7).stderr
            assert there == here.replace(str(data), "DATA"), "no path leaves the server"
        folder = data.parent
        there = fingerpost("audit", "export", folder / "there.jsonl", "--target", door).stdout
        here = fingerpost("audit", "export", folder / "here.jsonl", "--data", data).stdout
        assert (folder / "there.jsonl").read_text() == (folder / "here.jsonl").read_text()
        assert there.replace("there", "here") == here
    fingerpost("routes", "--target", door, code=4)


def test_a_server_that_asks_for_approvals_needs_to_know_who_calls(data: Path, tmp_path: Path) -> None:
    """It refuses to start without a file of access, and serves with one."""
    routes = shutil.copytree(Path(__file__).parents[2] / "routes", tmp_path / "routes")
    policy = routes / "_policy.yaml"
    policy.write_text(policy.read_text() + "\napprovals: 1\n")
    out = fingerpost("reindex", "--routes", routes, "--data", data).stdout
    assert "0 of 1 approvals" in out
    [proposal] = json.loads(fingerpost("proposals", "--data", data, "--json").stdout)
    revision = proposal["revision"]
    assert "somebody else must approve" in fingerpost("approve", revision, "--data", data, code=7).stderr
    access = tmp_path / "access.yaml"
    bob = fingerpost("token", "add", "bob", "--role", "approver", "--access", access).stdout.strip()
    app = fingerpost("token", "add", "app", "--role", "caller", "--role", "reader", "--access", access).stdout.strip()
    door = f"unix:{data}/admin.sock"
    with ServerProcess(data, access=access, admin_listen=""):
        told = fingerpost("approve", revision, "--target", door, FINGERPOST_TOKEN=bob).stdout
        assert "bob approved it" in told
        assert "operator" in fingerpost("activate", revision, "--target", door, code=7, FINGERPOST_TOKEN=bob).stderr
    fingerpost("activate", revision, "--data", data)
    done = fingerpost("serve", "--data", data, "--listen", "127.0.0.1:0", code=7)
    assert "FINGERPOST_ACCESS" in done.stderr
    with ServerProcess(data, access=access) as server, Client(server.address, timeout_seconds=30, token=app) as client:
        assert client.info().catalogs[0].revision == revision
        assert client.route("write a function that reverses a list").model
