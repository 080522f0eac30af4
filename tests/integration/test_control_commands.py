"""The commands of outcomes, budgets, breakers and experiments, over real listeners with chosen things behind them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from fingerpost.access.editing import add_token
from fingerpost.errors import ErrorReason, NotFound
from tests.controls import MemoryDesk, MemoryRecorder, desk_served, outcomes_served
from tests.integration.test_tls import on_loop
from tests.processes import fingerpost

_ID = "0123456789abcdef" * 4


async def shown(*arguments: Any, code: int = 0, **environment: str) -> str:
    """What a command prints: its output, or with a code its line of an error."""
    done = await asyncio.to_thread(fingerpost, *arguments, code=code, COLUMNS="200", **environment)
    return done.stderr if code else done.stdout


def rows(table: str) -> list[list[str]]:
    """Cells of a table whose cells stand at least two spaces apart, or have no spaces."""
    return [line.split() for line in table.splitlines()]


@on_loop
async def test_budgets(tmp_path: Path) -> None:
    """Listed with what is used most, shown with each account, set, reset and cleared; money is told in dollars."""
    desk = MemoryDesk()
    async with desk_served(desk, tmp_path, listen="") as door:
        listed = await shown("budget", "--target", door)
        assert ["monthly", "the", "catalog", "month", "$400.00", "(by", "hand)", "cheapest", "model", "0"] in rows(
            listed
        )
        assert "90% bolt" in listed
        one = await shown("budget", "show", "team", "--target", door)
        assert "Budget team: $10.00 a day of each tenant: acme, bolt; when spent: refuse." in one
        assert "Set by hand: $12.50 for acme." in one
        bolt = "bolt 2026-09-22 14:13 $10.00 $9.00 90% $9.00 $0.0001 <$0.0001 $0.00"
        assert bolt.split() in rows(one)
        [monthly, team] = json.loads(await shown("budget", "--json", "--target", door))
        assert monthly["limits_by_hand"] == [{"holder": "", "limit_usd_micros": 400_000_000}]
        assert team == json.loads(await shown("budget", "show", "team", "--json", "--target", door))
        assert team["accounts"][0]["end"] == "2026-09-22T14:13:20+00:00"
        out = await shown("budget", "set", "team", "--limit", "12.50", "--holder", "acme", "--target", door)
        assert out.startswith("Budget team now has the limit $12.50 for acme.\nAudit entry 1, hash 000000000000.")
        entry = json.loads(await shown("budget", "reset", "team", "--json", "--target", door))
        assert (entry["action"], entry["details"]) == ("reset", {"kind": "budget", "name": "team"})
        cleared = await shown("budget", "clear", "team", "--holder", "acme", "--target", door)
        assert "what was spent counts no more in 1 account" in cleared
        assert [done[1:] for done in desk.done] == [
            ("set", "budget", "team", "acme", 12_500_000),
            ("reset", "budget", "team", ""),
            ("reset", "account", "team", "acme"),
        ]
        assert "no budget none" in await shown("budget", "show", "none", "--target", door, code=7)
        assert "--limit twelve" in await shown("budget", "set", "team", "--limit", "twelve", "--target", door, code=7)
        desk.states = ()
        assert "has no budgets" in await shown("budget", "--target", door)


@on_loop
async def test_breakers(tmp_path: Path) -> None:
    """Without a target the server of the data folder is asked; what is set holds for a time or until it is reset."""
    desk = MemoryDesk()
    async with desk_served(desk, tmp_path, listen=""):
        listed = rows(await shown("breaker", "--data", tmp_path))
        assert ["coder", "open", "rate", "limited", "12", "s", "40", "31", "2"] in listed
        assert ["writer", "open", "by", "hand", "7", "0", "0", "os:ann"] in listed
        assert ["xs", "half", "open", "consecutive", "0", "s", "5", "5", "1"] in listed
        told = json.loads(await shown("breaker", "show", "coder", "--json", "--data", tmp_path))
        assert (told["position"], told["seconds_left"]) == ("open", 12.5)
        assert "left alone for 10m." in await shown("breaker", "open", "coder", "--for", "10m", "--data", tmp_path)
        assert "until it is reset" in await shown("breaker", "close", "coder", "--data", tmp_path)
        assert "by itself again" in await shown("breaker", "reset", "coder", "--data", tmp_path)
        assert [done[1:] for done in desk.done] == [
            ("set", "breaker", "coder", True, 600),
            ("set", "breaker", "coder", False, None),
            ("reset", "breaker", "coder"),
        ]
        assert "as 10m" in await shown("breaker", "open", "coder", "--for", "soon", "--data", tmp_path, code=7)
        assert "belongs behind show" in await shown("breaker", "--json", "show", "coder", "--data", tmp_path, code=7)


@on_loop
async def test_experiments(tmp_path: Path) -> None:
    """Listed, shown with arms, bands and shadow, stopped, started, split anew and reset."""
    desk = MemoryDesk()
    async with desk_served(desk, tmp_path, listen="") as door:
        listed = await shown("experiment", "--target", door)
        assert "control 80%, small 20%, next 0% (stopped)" in listed
        assert "shadow bbbbbbbbbbbb" in listed
        one = await shown("experiment", "show", "smaller-coder", "--target", door)
        assert "Experiment smaller-coder runs: requests of route code, split by session." in one
        assert "revision aaaaaaaaaaaa" in one
        assert "Nothing is counted" not in one
        assert "Arm next is stopped: error_share is surely over 0.05." in one
        assert "Each arm's mean cost, in dollars, must stay at least 0.001 and at most 0.5." in one
        shadow = await shown("experiment", "show", "shadow", "--target", door)
        assert "It does not run: no encoder." in shadow
        assert "$1.234567 less expected in all" in shadow
        told = json.loads(await shown("experiment", "--json", "--target", door))
        assert told[0]["experiment"]["share"] == 12.5
        for command, words in (
            (("stop", "smaller-coder"), "is stopped"),
            (("start", "smaller-coder"), "runs again"),
            (
                ("set", "smaller-coder", "--weight", "small=0.5", "--weight", "control=99.5"),
                "small 0.5%, control 99.5%",
            ),
            (("reset", "smaller-coder"), "as the policy says"),
        ):
            assert words in await shown("experiment", *command, "--target", door)
        assert [done[1:] for done in desk.done] == [
            ("set", "experiment", "smaller-coder", False, {}),
            ("set", "experiment", "smaller-coder", True, {}),
            ("set", "experiment", "smaller-coder", None, {"small": 0.5, "control": 99.5}),
            ("reset", "experiment", "smaller-coder"),
        ]


@on_loop
async def test_by_token_and_role(tmp_path: Path) -> None:
    """Who may only look is told which role it takes; a server that is gone ends with the code for that."""
    access = tmp_path / "access.yaml"
    reader = add_token(access, "ann", ["reader"], "", None, None).token
    async with desk_served(MemoryDesk(), tmp_path, access) as address:
        assert "team" in await shown("budget", "--target", address, FINGERPOST_TOKEN=reader)
        refused = await shown("budget", "clear", "team", "--target", address, code=7, FINGERPOST_TOKEN=reader)
        assert "operator" in refused
    await shown("budget", "--target", address, code=4, FINGERPOST_TOKEN=reader)


@on_loop
async def test_an_outcome_by_hand(tmp_path: Path) -> None:
    """Everything that a caller can report; the first stands, and what is refused says why."""
    recorder = MemoryRecorder(refused={"a" * 64: NotFound("no server gave that id", ErrorReason.DECISION_UNKNOWN)})
    async with outcomes_served(recorder) as address:
        told = ("--model", "coder", "--status", "ok", "--cost", "0.0021", "--verdict", "good_fit", "--score", "0.5")
        more = (
            "--input-tokens",
            "12",
            "--output-tokens",
            "0",
            "--latency-ms",
            "250",
            "--label",
            "code",
            "--tenant",
            "t",
        )
        out = await shown("outcome", _ID, *told, *more, "--target", address)
        assert out == f"Kept: coder OK for decision {_ID[:12]}; it counts for $0.0021, as reported.\n"
        [recorded] = recorder.kept.values()
        report = recorded.kept.report
        assert (report.input_tokens, report.output_tokens, report.cost_usd_micros) == (12, 0, 2_100)
        assert (report.latency_ms, report.verdict, report.score, report.label) == (250, "GOOD_FIT", 0.5, "code")
        assert recorded.kept.tenant == "t"
        limited = ("--model", "big", "--status", "RATE_LIMITED", "--retry-after-ms", "30000")
        again = await shown("outcome", _ID, *limited, "--target", address)
        assert again.startswith("A report was there already, and stands: coder OK")
        told_json = json.loads(await shown("outcome", "b" * 64, *limited, "--json", "--target", address))
        assert (told_json["kept"]["retry_after_ms"], told_json["cost_source"]) == (30_000, "RESERVED")
        for arguments, words in (
            (("a" * 64, "--model", "m", "--status", "ok"), "no server gave that id"),
            (("short", "--model", "m", "--status", "ok"), "decision_id"),
            ((_ID, "--model", "m", "--status", "fine"), "none of OK, RATE_LIMITED"),
            ((_ID, "--model", "m", "--status", "ok", "--cost", "1e-7"), "--cost 1e-7: dollars"),
        ):
            assert words in await shown("outcome", *arguments, "--target", address, code=7)
