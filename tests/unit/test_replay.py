"""Logs are read whatever befell them, and weighted by how they were sampled."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fingerpost.build.diff.prices import Tokens
from fingerpost.build.judging import Opinion
from fingerpost.build.replay.reading import Log, Logged, is_log, read_log
from fingerpost.build.replay.replay import replayed
from fingerpost.errors import InvalidRequest
from fingerpost.serve.record import VERSION, is_sampled, keyed
from fingerpost.types import Model


def row(number: int, **fields: object) -> dict[str, object]:
    return {
        "v": VERSION,
        "decision_id": f"{number:032x}",
        "catalog": "default",
        "revision": "r" * 64,
        "route": "code",
        "model": "coder",
        "share": 1.0,
        "text_hash": None,
        "degraded": False,
        "text": f"text {number}",
        **fields,
    }


def written(folder: Path, *rows: object, name: str = "decisions-1.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(one if isinstance(one, str) else json.dumps(one) + "\n" for one in rows))
    return path


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    """Torn lines, newer rows, other catalogs, rows without a text and repeated ones are told and left out."""
    key = b"k" * 32
    secret = {name: value for name, value in row(7, text_hash=keyed("known", key)).items() if name != "text"}
    path = written(
        tmp_path,
        row(1, unknown_field=[1]),
        row(1),
        row(2, v=VERSION + 1),
        row(3, catalog="team"),
        row(4, degraded=True),
        row(5, share=0),
        row(6, route=7),
        secret,
        {**secret, "decision_id": "8" * 32, "text_hash": keyed("unknown", key)},
        "[" * 100_000 + "\n",
        "\n",
        '{"v": 1, "decision_id": "torn',
    )
    log = read_log(path, "default", {keyed("known", key): "known"})
    assert [one.text for one in log.rows] == ["text 1", "known"]
    assert log.passed_over == {"twice": 1, "newer": 1, "other catalog": 1, "degraded": 1, "no text": 1, "torn": 4}
    assert is_log(path)
    assert not is_log(written(tmp_path, {"text": "x", "label": "y"}, name="cases.jsonl"))
    assert read_log(tmp_path, "team", {}).rows[0].decision_id == f"{3:032x}", "a folder is read as a whole"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "empty"),
        ([row(1, text=None)], "DECISION_LOG_TEXT_DAYS"),
        ([row(1, catalog="team")], "other catalogs"),
        (["nonsense\n"], "no rows"),
    ],
)
def test_nothing_to_replay(tmp_path: Path, rows: list[Any], words: str) -> None:
    """It is said why."""
    with pytest.raises(InvalidRequest, match=words):
        read_log(written(tmp_path, *rows), "default", {})
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidRequest, match="FINGERPOST_DECISION_LOG"):
        read_log(tmp_path / "none", "default", {})


def opinion(route: str | None, model: str) -> Opinion:
    return cast(Opinion, SimpleNamespace(decision=SimpleNamespace(route=route, model=model)))


def logged(number: int, route: str | None, model: str, share: float) -> Logged:
    return Logged(f"{number}", "default", "r", route, model, share, None, f"text {number}")


def test_rows_stand_for_what_they_were_sampled_from() -> None:
    """A row of a sample of one in ten counts ten times: in the share, its groups and the cost."""
    models = {
        "coder": Model("coder", "", input_price_usd_micros=1_000_000, output_price_usd_micros=0),
        "large": Model("large", "", input_price_usd_micros=3_000_000, output_price_usd_micros=0),
    }
    rows = [logged(1, "code", "coder", 0.1), *(logged(number, None, "large", 1.0) for number in range(2, 12))]
    now = [opinion(None, "large"), *(opinion(None, "large") for _ in range(10))]
    found = replayed("n" * 64, Log(tuple(rows), {}), now, models, Tokens(1_000_000, 0))
    assert (found.rows, found.traffic, found.changed.value) == (11, 20.0, 0.5)
    assert (found.fallback_before, found.fallback_after) == (0.5, 1.0)
    assert found.changed.low < 0.3 < 0.7 < found.changed.high, "one heavy row proves little"
    [group] = found.groups
    assert (group.route_before, group.route_after, group.rows, group.share) == ("code", None, 1, 0.5)
    assert found.spent.before_usd_micros == pytest.approx(1_000 * 2_000_000)
    assert found.spent.after_usd_micros == pytest.approx(1_000 * 3_000_000)
    free = replayed("n" * 64, Log(tuple(rows), {}), now, {"large": models["large"]}, Tokens())
    assert free.spent.unpriced == ("coder",)
    assert free.spent.before_usd_micros == free.spent.after_usd_micros


def test_the_sample_has_the_share_that_was_asked_for() -> None:
    """Of evenly spread ids as many are of the sample as its share says, and a larger sample holds a smaller one."""
    ids = [f"{number * 2**112:032x}" for number in range(2**16)]
    for share in (0.0001, 0.25, 0.5, 1.0):
        taken = [one for one in ids if is_sampled(one, share)]
        assert len(taken) == pytest.approx(share * len(ids), abs=1)
        assert all(is_sampled(one, min(1.0, share * 2)) for one in taken)
