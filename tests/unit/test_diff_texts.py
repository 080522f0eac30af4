"""Which texts two revisions are asked: files with and without labels, samples, and utterances that differ."""

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fingerpost.build.diff.changes import compared
from fingerpost.build.diff.texts import Texts, TextsKind, differing_utterances, evenly, texts_of_file
from fingerpost.build.findings import RouteFilesInvalid
from tests.revisions import cases_of, revision_of


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_rows_with_labels(tmp_path: Path) -> None:
    """Labels are routes, and oos is the fallback; packed rows are read too."""
    rows = '\n{"text": "fix it", "label": "code"}\n{"text": "qwzx", "label": "oos"}\n'
    packed = tmp_path / "cases.jsonl.gz"
    packed.write_bytes(gzip.compress(rows.encode()))
    for path in (written(tmp_path, "cases.jsonl", rows), packed):
        texts = texts_of_file(path)
        assert (texts.kind, texts.place, texts.labelled, texts.total) == (TextsKind.FILE, path.name, True, 2)
        assert [(case.text.text, case.route) for case in texts.cases] == [("fix it", "code"), ("qwzx", None)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.jsonl", '\n{"text": "fix it", "when": 3}\n{"text": "qwzx"}\n'),
        ("log.txt", "fix it\n\nqwzx\n"),
        ("log.csv", "text,when\nfix it,3\nqwzx,4\n"),
    ],
)
def test_texts_without_labels(tmp_path: Path, name: str, content: str) -> None:
    """Requests of a log need no labels."""
    texts = texts_of_file(written(tmp_path, name, content))
    assert (texts.labelled, texts.total) == (False, 2)
    assert [case.text.text for case in texts.cases] == ["fix it", "qwzx"]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.jsonl", '{"text": "fix it", "label": "code"}\n{"text": "x"}\n', 2),
        ("b.jsonl", '{"text": "fix it"}\n{"label": "x"}\n', 2),
        ("c.jsonl", "no JSON\n", 1),
        ("d.jsonl", "[1]\n", 1),
        ("e.csv", "label\ncode\n", 1),
        ("f.parquet", "PAR1", 0),
        ("g.txt", "\x00\x01\n", 1),
    ],
)
def test_bad_rows_are_found(tmp_path: Path, name: str, content: str, line: int) -> None:
    """Each file that is none of these is told with file and line, and nothing of it is used."""
    with pytest.raises(RouteFilesInvalid) as refused:
        texts_of_file(written(tmp_path, name, content))
    assert [(finding.file, finding.line) for finding in refused.value.findings] == [(name, line)]


def test_a_missing_file_is_found(tmp_path: Path) -> None:
    """Whatever its ending is, a file that is not there is said to be missing."""
    for name in ("no.jsonl", "no.jsonl.gz", "no.txt"):
        with pytest.raises(RouteFilesInvalid) as refused:
            texts_of_file(tmp_path / name)
        assert "missing" in refused.value.findings[0].message


def test_utterances_that_differ() -> None:
    """What came, went or moved is asked once each, by text, without labels; equal utterances are not."""
    one = revision_of({"code": ["same", "moves", "goes"], "maths": ["other"]}, ["leaves"])
    other = revision_of({"code": ["same", "comes"], "maths": ["other", "moves"]})
    texts = differing_utterances(compared(one, other))
    assert [case.text.text for case in texts.cases] == ["comes", "goes", "leaves", "moves"]
    assert (texts.kind, texts.labelled) == (TextsKind.UTTERANCES, False)


@given(st.integers(0, 60), st.integers(1, 70))
def test_a_sample_is_even(size: int, count: int) -> None:
    """Never more than wanted, all where there are no more, in order, and gaps that differ by one at most."""
    picked = evenly(range(size), count)
    assert len(picked) == min(size, count)
    gaps = {after - before for before, after in pairwise(picked)}
    assert all(gap > 0 for gap in gaps)
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_sample_remembers_how_many_there_were() -> None:
    """The total stays, so that a reader is told that it is a sample."""
    texts = Texts.of(TextsKind.TESTS, "routes", cases_of(dict.fromkeys("abcdefgh")), labelled=True)
    sample = texts.sample(3)
    assert (len(sample.cases), sample.total, texts.sample(8)) == (3, 8, texts)
