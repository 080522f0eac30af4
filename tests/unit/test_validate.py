"""Findings about fields and across files."""

from pathlib import Path

import pytest

from fingerpost.types import Severity
from tests.route_folders import MODELS, POLICY, ROUTE, findings_of, places, write_folder


def route(*utterances: str, tests: tuple[str, ...] = ()) -> str:
    rows = "".join(f"  - {text}\n" for text in utterances)
    held_out = "tests:\n" + "".join(f"  - {text}\n" for text in tests) if tests else ""
    return f"model: coder\nutterances:\n{rows}{held_out}"


@pytest.mark.parametrize(
    "other",
    ["join two tables", "Join TWO tables", "join  two\u00a0tables", "ｊｏｉｎ two tables", '"join two\\ntables"'],
)
def test_one_utterance_in_two_routes_is_an_error(tmp_path: Path, other: str) -> None:
    """Texts equal exactly or after normalisation name both routes and both places."""
    folder = write_folder(tmp_path, {"code.yaml": route("sort", "join two tables"), "sql.yaml": route(other)})
    (finding,) = findings_of(folder)
    assert (finding.code, finding.severity, finding.file, finding.line) == ("FP306", Severity.ERROR, "sql.yaml", 3)
    assert "'code' (code.yaml:4)" in finding.message


def test_texts_that_differ_only_within_one_route_are_fine(tmp_path: Path) -> None:
    """A route may hold several spellings of a text: they point the same way."""
    assert places(write_folder(tmp_path, {"code.yaml": route("sort this", "Sort  This")})) == []


def test_a_text_both_in_a_route_and_out_of_scope_is_an_error(tmp_path: Path) -> None:
    """The finding stands at the out-of-scope text and names the route."""
    folder = write_folder(tmp_path, {"code.yaml": ROUTE, "_out_of_scope.yaml": "utterances: [REVERSE a linked list]\n"})
    assert places(folder) == [("FP307", "_out_of_scope.yaml", 1)]


def test_a_test_that_was_seen_is_an_error(tmp_path: Path) -> None:
    """A test equal to an utterance of its own route, another or of no route measures nothing."""
    folder = write_folder(
        tmp_path,
        {
            "a.yaml": route("sort", tests=("SORT", "join", "lights off", "held out")),
            "b.yaml": route("join", "merge"),
            "_out_of_scope.yaml": "utterances: [lights off]\ntests: [Merge]\n",
        },
    )
    assert places(folder) == [
        ("FP308", "_out_of_scope.yaml", 2),
        ("FP308", "a.yaml", 5),
        ("FP308", "a.yaml", 6),
        ("FP308", "a.yaml", 7),
    ]


def test_a_test_of_two_routes_is_an_error(tmp_path: Path) -> None:
    """The same test cannot be right twice, nor for a route and for none."""
    folder = write_folder(
        tmp_path,
        {
            "a.yaml": route("sort", tests=("which?",)),
            "b.yaml": route("join", tests=("Which?",)),
            "_out_of_scope.yaml": "tests: [WHICH?]\n",
        },
    )
    assert places(folder) == [("FP309", "_out_of_scope.yaml", 1), ("FP309", "b.yaml", 5)]


def test_names_must_be_known_and_their_own(tmp_path: Path) -> None:
    """Unknown and repeated names of routes and models stand at the line that says them."""
    folder = write_folder(
        tmp_path,
        {
            "a.yaml": "model: codr\nutterances: [sort]\n",
            "b.yaml": "name: a\nmodel: coder\nutterances: [join]\n",
            "_models.yaml": MODELS + "  - name: coder\n",
            "_policy.yaml": "fallback_model: big\nfallback_chain:\n  - coder\n  - bigger\n",
        },
    )
    assert places(folder) == [
        ("FP305", "_models.yaml", 4),
        ("FP304", "_policy.yaml", 1),
        ("FP304", "_policy.yaml", 4),
        ("FP303", "a.yaml", 1),
        ("FP302", "b.yaml", 1),
    ]


def test_no_route_is_an_error_and_no_utterance_a_warning(tmp_path: Path) -> None:
    """A folder without routes cannot be used; a route without utterances can."""
    assert [code for code, _, _ in places(write_folder(tmp_path / "none", {}))] == ["FP301"]
    (finding,) = findings_of(write_folder(tmp_path / "one", {"code.yaml": "model: coder\n"}))
    assert (finding.code, finding.severity) == ("FP311", Severity.WARNING)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('""', "FP210"),
        ('"   "', "FP210"),
        ('"\\u200b\\u200d\\ufeff"', "FP210"),
        ('"\\u3000\\u00a0"', "FP210"),
        ('"a\\0b"', "FP212"),
        ('"a\\x1bb"', "FP212"),
        ('"a\\u0085b"', "FP212"),
        ("x" * 16_385, "FP211"),
        ("é" * 8_193, "FP211"),
        ("x" * 100_000, "FP211"),
        ("123", "FP204"),
        ("1.5", "FP204"),
        ("true", "FP204"),
        ("~", "FP204"),
        ("", "FP204"),
        ("a: b", "FP204"),
        ("[a]", "FP204"),
        (".nan", "FP204"),
    ],
)
def test_bad_texts_are_refused_in_every_list(tmp_path: Path, text: str, code: str) -> None:
    """Empty, long, unprintable and unquoted texts are errors at their lines, as utterances and as tests."""
    content = f"model: coder\nutterances:\n  - fine\n  - {text}\ntests:\n  - {text}\n"
    assert places(write_folder(tmp_path, {"code.yaml": content})) == [(code, "code.yaml", 4), (code, "code.yaml", 6)]


@pytest.mark.parametrize("text", ['"a\\nb\\tc"', "x" * 16_384, "é" * 8_192, "no", "12:30:45", "🙂", "\u202eabc"])
def test_unusual_texts_are_taken(tmp_path: Path, text: str) -> None:
    """Line breaks, tabs, emoji, direction marks and texts of just the limit are no findings."""
    assert places(write_folder(tmp_path, {"code.yaml": route(text)})) == []


def test_an_unquoted_number_is_told_to_be_quoted(tmp_path: Path) -> None:
    """The message says what to do and shows what was read."""
    (finding,) = findings_of(write_folder(tmp_path, {"code.yaml": route("123")}))
    assert "123 is not a text: put it in quotes" in finding.message


def test_a_misspelt_key_has_a_suggestion(tmp_path: Path) -> None:
    """The message names the key that was probably meant, in nested entries too."""
    folder = write_folder(
        tmp_path, {"code.yaml": ROUTE + "min_confidnce: 0.5\n", "_models.yaml": MODELS + "    teir: a\n"}
    )
    assert ["did you mean tier?" in finding.message or "did you mean min_confidence?" in finding.message
            for finding in findings_of(folder)] == [True, True]  # fmt: skip


NUMBERS = {
    "min_confidence": ["-0.1", "1.1", ".nan", ".inf", "-.inf", "1e999", "9" * 500, "9223372036854775808"],
    "target_precision": ["0", "1", "-1", ".nan", "2"],
    "out_of_scope_share": ["1", "-0.1", ".nan", "1e400"],
    "sticky_session_seconds": ["-1", "86401", ".nan"],
    "approvals": ["-1", "3", ".nan"],
    "input_price_usd_micros": ["-1", "9223372036854775808", ".nan", ".inf", "0x" + "f" * 400, "1e400"],
    "output_price_usd_micros": ["-1", "9223372036854775808", ".nan"],
    "context_window_tokens": ["0", "-1", "9223372036854775808", ".nan"],
    "latency_p50_ms": ["-1", "9223372036854775808", "-.inf"],
}


@pytest.mark.parametrize(("field", "number"), [(field, number) for field in NUMBERS for number in NUMBERS[field]])
def test_numbers_out_of_range_are_found_by_field(tmp_path: Path, field: str, number: str) -> None:
    """Every number has bounds; outside them, and for what is no number, the finding names field and line."""
    (finding,) = findings_of(_with_field(tmp_path, field, number))
    assert finding.code in {"FP205", "FP206"}
    assert finding.line >= 2
    assert field in finding.message


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", ["true", '"1"', "[1]", "{a: 1}", "high"])
def test_what_is_no_number_is_a_wrong_type(tmp_path: Path, field: str, value: str) -> None:
    """Nothing is converted to a number silently."""
    assert [finding.code for finding in findings_of(_with_field(tmp_path, field, value))] == ["FP203"]


def _with_field(folder: Path, field: str, value: str) -> Path:
    row = f"{field}: {value}\n"
    files = {"code.yaml": ROUTE, "_policy.yaml": POLICY, "_models.yaml": MODELS}
    if field == "min_confidence":
        files["code.yaml"] += row
    elif field in {"target_precision", "out_of_scope_share", "sticky_session_seconds", "approvals"}:
        files["_policy.yaml"] += row
    else:
        files["_models.yaml"] += f"    {row}"
    return write_folder(folder, files)


@pytest.mark.parametrize("content", ["", "# only a comment\n", "- a list\n", "just a text\n", "5\n"])
def test_a_file_that_is_no_mapping_is_a_wrong_type(tmp_path: Path, content: str) -> None:
    """An empty file, a list or a bare value is one finding and no crash."""
    assert [code for code, _, _ in places(write_folder(tmp_path, {"code.yaml": content}))] == ["FP203"]


def test_more_utterances_than_the_limit_name_it(tmp_path: Path) -> None:
    """100,000 utterances in all are the most, in one file or over several, and nothing of them is kept."""
    rows = "".join(f"  - u{n}\n" for n in range(100_001))
    (alone,) = findings_of(write_folder(tmp_path / "one", {"code.yaml": f"model: coder\nutterances:\n{rows}"}))
    half = "".join(f"v{n}\n" for n in range(60_000)), "".join(f"w{n}\n" for n in range(60_000))
    beside = {f"{name}.yaml": f"model: coder\nutterances_file: {name}.txt\n" for name in "ab"}
    (together,) = findings_of(write_folder(tmp_path / "two", beside | {"a.txt": half[0], "b.txt": half[1]}))
    assert (alone.code, together.code) == ("FP312", "FP312")
    assert (together.file, together.line) == ("b.txt", 40_001)
    assert "100000" in alone.message.replace(",", "")
    assert "100,000" in together.message


def test_a_flood_of_wrong_fields_is_bounded(tmp_path: Path) -> None:
    """A file with a hundred thousand unknown keys shows the first thousand, within seconds at most."""
    rows = "".join(f"modell{n}: 1\n" for n in range(100_000))
    assert len(findings_of(write_folder(tmp_path, {"code.yaml": ROUTE + rows}))) == 1000


def test_messages_are_short_and_safe_for_a_terminal(tmp_path: Path) -> None:
    """A text that a message repeats is cut, and escape sequences in it are not sent to the terminal."""
    text = "x" * 1000 + "\u202e"
    folder = write_folder(
        tmp_path, {"a.yaml": route(text), "b.yaml": route(text), "c.yaml": "'\\e[31m': 1\nmodel: coder\n"}
    )
    for finding in findings_of(folder):
        assert len(finding.message) < 300
        assert finding.message.isprintable()
