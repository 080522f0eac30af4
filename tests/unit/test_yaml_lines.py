"""Strict YAML: plain values with lines, and quick refusals of everything else."""

import contextlib
import gc
import math
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from fingerpost.build.findings import Findings
from fingerpost.build.yaml_lines import Document, parse
from fingerpost.types import Finding
from tests.route_folders import places, write_folder


def read(text: str) -> Document:
    findings = Findings()
    document = parse("a.yaml", text, findings)
    assert document is not None, findings.ordered()
    return document


def refused(text: str) -> tuple[Finding, ...]:
    findings = Findings()
    assert parse("a.yaml", text, findings) is None
    return findings.ordered()


def codes(text: str) -> list[tuple[str, int]]:
    return [(finding.code, finding.line) for finding in refused(text)]


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "y", "12:30:45", "1_000", "2024-01-01", "0b11", "017x", "-", ".", "e5", "+"]
)
def test_what_only_old_yaml_converts_stays_text(text: str) -> None:
    """Words and times that YAML 1.1 turns into booleans and numbers are texts."""
    assert read(f"a: {text}" if text != "-" else 'a: "-"').value == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-7", -7), ("017", 17),
        ("0o17", 15), ("0xff", 255), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("-.inf", -math.inf),
        ("9" * 5000, math.inf), ("-" + "9" * 5000, -math.inf), ("1e999", math.inf), ('"12"', "12"), ("'true'", "true"),
    ],
)  # fmt: skip
def test_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    """Unquoted scalars follow the core schema of YAML 1.2 and quoted ones are texts."""
    found = read(f"a: {text}").value
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_not_a_number_is_read() -> None:
    """`.nan` is a number here; refusing it is the business of the field."""
    value = read("a: .nan").value
    assert isinstance(value, dict)
    assert math.isnan(value["a"])


def test_every_value_has_its_line() -> None:
    """Keys and list items, nested ones too, are found by their path; what is absent goes by what should hold it."""
    document = read("\n# comment\na:\n  - x\n  - b: 1\n    c: |\n      two\n      lines\nd: {e: [1,\n  2]}\n")
    paths = [(), ("a",), ("a", 0), ("a", 1, "b"), ("a", 1, "c"), ("d", "e", 1), ("a", 9, "z"), ("nothing",)]
    assert [document.place(path).line for path in paths] == [3, 3, 4, 5, 6, 10, 3, 3]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """A file saved with a byte order mark reads like one without."""
    folder = write_folder(tmp_path, {"code.yaml": b"\xef\xbb\xbfmodel: coder\nutterances: [sort a list]\n"})
    assert places(folder) == []


def test_an_empty_file_is_nothing() -> None:
    """Text without a document reads as null."""
    assert read("# nothing here\n").value is None


def test_duplicate_keys_name_the_first() -> None:
    """A key that stands twice is refused, at any depth and on one line too."""
    found = refused("a: 1\nb: {c: 1, c: 2}\na: 2\n")
    assert [(finding.code, finding.line) for finding in found] == [("FP115", 2), ("FP115", 3)]
    assert "'a' stands already on line 1" in found[1].message


@pytest.mark.parametrize(
    "value",
    ["!!str x", "!local x", "! x", "!<tag:yaml.org,2002:int> 1", "!!python/object/apply:os.system [ls]", "!!map {}",
     "!!binary aGk=", "!!set {x}", "!!timestamp 2024-01-01", "!!null ''", "!!omap [a: 1]"],
)  # fmt: skip
def test_each_form_of_tag_is_refused(value: str) -> None:
    """Shorthand, local, verbatim and non-specific tags, on scalars and collections, are findings with a line."""
    assert codes(f"a: 1\nb: {value}\n")[0] == ("FP114", 2)


def test_anchors_and_aliases_are_all_reported() -> None:
    """Each anchor and alias is a finding of its own, so one run shows them all."""
    assert codes("a: &x 1\nb: *x\nc: *x\n") == [("FP113", 1), ("FP113", 2), ("FP113", 3)]


def test_a_merge_key_is_an_ordinary_key() -> None:
    """`<<` merges nothing: it is a key like any other, which no file knows."""
    assert read("<<: {a: 1}\n").value == {"<<": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\n---\nb: 2\n", ("FP112", 2)),
        ("a: [1, 2\n", ("FP111", 2)),
        ("a: b: c\n", ("FP111", 1)),
        ("a: 1\n\tb: 2\n", ("FP111", 2)),
        ("a: @x\n", ("FP111", 1)),
        ("a: 'it's'\n", ("FP111", 1)),
        ('a: "\\ud83d"\n', ("FP111", 1)),
        ("%YAML 1.1\n---\na: 1\n", ("FP111", 1)),
        ("? [a]\n: 1\n", ("FP118", 1)),
        ("a: 1\n? {b: 1}\n: 1\n", ("FP118", 2)),
        ("a: x\0y\n", ("FP110", 1)),
        ("a: 1\nb: x\x1by\n", ("FP110", 2)),
        ("a: x\u2028y\n", ("FP110", 1)),
        ("a: x\x85y\n", ("FP110", 1)),
        ("a: \uffff\n", ("FP110", 1)),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, place: tuple[str, int]) -> None:
    """Broken syntax, further documents, directives, odd keys and invisible characters have codes and lines."""
    assert codes(text) == [place]


def test_a_hint_says_how_to_mend_it() -> None:
    """The parser's terse problem comes with what usually helps."""
    assert "in quotes" in refused("a: b: c\n")[0].message


def test_depth_is_bounded() -> None:
    """Thirty-two levels are read and the thirty-third is refused."""
    assert isinstance(read("[" * 32 + "]" * 32).value, list)
    assert codes("[" * 33 + "]" * 33) == [("FP116", 1)]


def test_faults_of_one_file_are_bounded() -> None:
    """A file with a thousand faults shows the first few."""
    assert len(refused("a: &x 1\n" + "a: *x\n" * 1000)) == 20


def _alias_bomb(levels: int) -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(rows)


HOSTILE = {
    "alias bomb": (_alias_bomb(9), "FP113"),
    "500 deep": ("[" * 500 + "]" * 500, "FP116"),
    "4 million deep": ("[" * 4_000_000, "FP116"),
    "deep blocks": ("- " * 2_000_000, "FP116"),
    "deep keys": ("? " * 2_000_000, "FP118"),
    "braces": ("{" * 4_000_000, "FP118"),
    "a million values": ("- 1\n" * 1_000_000, "FP117"),
    "a million duplicate keys": ("a: 1\n" * 800_000, "FP115"),
    "directives": ("".join(f"%TAG !t{n}! x\n" for n in range(200_000)), "FP111"),
    "later directives": ("a: 1\n...\n" + "".join(f"%TAG !t{n}! x\n" for n in range(200_000)), "FP111"),
    "one long key": ("a" * 4_000_000 + ": 1", "FP111"),
    "one open quote": ('"' + "a\n" * 2_000_000, "FP111"),
    "an endless flow": ("[" + "a," * 2_000_000, "FP117"),
}


def _million_additions() -> float:
    """Seconds of the processor that they take: a measure of how fast it is just now."""
    started, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number
    return time.process_time() - started


@contextlib.contextmanager
def cheap() -> Iterator[None]:
    """Takes less than 400 million additions, ten seconds of a common processor: what is not linear takes many minutes.

    The search for garbage among other tests' objects is not counted.
    """
    gc.collect()
    gc.freeze()
    before, started = _million_additions(), time.process_time()
    try:
        yield
        took = time.process_time() - started
        assert took < 400 * max(before, _million_additions())
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_quickly(name: str) -> None:
    """Alias bombs, deep nesting and floods of keys, values or directives are refused in linear time."""
    text, code = HOSTILE[name]
    with cheap():
        assert refused(text)[0].code == code


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    """50 MB of YAML are refused by size, at once and without taking memory."""
    folder = write_folder(tmp_path, {"code.yaml": b"- x\n" * 12_500_000})
    tracemalloc.start()
    with cheap():
        assert ("FP104", "code.yaml", 0) in places(folder)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
