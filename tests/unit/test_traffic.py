"""Traffic: texts of a file, merged, or everything that is wrong with it."""

import gzip
from pathlib import Path

import pytest

from fingerpost.build.files import MAX_TEXTS
from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.suggest.traffic import harmless, read_traffic
from fingerpost.errors import InvalidRequest

ROWS = '{"text": "Reset my password", "label": "x"}\n\n{"text": " reset  my PASSWORD "}\n{"text": "hello", "n": 1}\n'


def counted(path: Path) -> list[tuple[str, int, int]]:
    return [(one.text.text, one.text.line, one.count) for one in read_traffic(path)]


def test_equal_texts_are_one_with_a_count(tmp_path: Path) -> None:
    """Case and white space make no other text; the first stands for all, in the order of the file."""
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS, encoding="utf-8")
    assert counted(path) == [("Reset my password", 1, 2), ("hello", 4, 1)]


def test_packed_rows_and_plain_lines(tmp_path: Path) -> None:
    """A .gz file is read as what it holds; a .txt file has a text a line."""
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(ROWS.encode()))
    assert [count for _, _, count in counted(packed)] == [2, 1]
    lines = tmp_path / "lines.txt"
    lines.write_text('\ufeffone\r\n\r\n{"text": "two"}\r\nONE', encoding="utf-8")
    assert counted(lines) == [("one", 1, 2), ('{"text": "two"}', 3, 1)]


def test_every_bad_row_is_told(tmp_path: Path) -> None:
    """Rows that are no texts are all named by line and code."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": 5}\nno\n{"label": "x"}\n{"text": " "}\n{"text": "a\\u0000"}\n[]\n{"text": "fine"}\n')
    with pytest.raises(RouteFilesInvalid) as refused:
        read_traffic(path)
    assert [(one.line, one.code) for one in refused.value.findings] == [
        (1, "FP121"), (2, "FP121"), (3, "FP121"), (4, "FP210"), (5, "FP212"), (6, "FP121"),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "data"), [("a.jsonl.gz", b"no gzip"), ("a.jsonl", b"\xff\xfe"), ("none.jsonl", None)])
def test_files_that_cannot_be_read(tmp_path: Path, name: str, data: bytes | None) -> None:
    """A damaged, wrongly encoded or absent file is a finding."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(RouteFilesInvalid):
        read_traffic(tmp_path / name)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    """Other endings are refused by name."""
    with pytest.raises(InvalidRequest, match=r"rows\.csv"):
        read_traffic(tmp_path / "rows.csv")


def test_too_many_rows(tmp_path: Path) -> None:
    """There is a limit, and the finding names the first row beyond."""
    path = tmp_path / "many.txt"
    path.write_text("x\n" * (MAX_TEXTS + 5))
    with pytest.raises(RouteFilesInvalid) as refused:
        read_traffic(path)
    assert [(one.line, one.code) for one in refused.value.findings] == [(MAX_TEXTS + 1, "FP122")]


def test_secrets_and_personal_data_are_no_proposals(tmp_path: Path) -> None:
    """Texts that disclose something are left out; examples that are nobody's stay."""
    path = tmp_path / "rows.txt"
    harmful = ["write to jane.doe@gmail.com", "why is AKIAQYLPMN5HFIQR7XYA refused", "call +49 30 12345678 back"]
    fine = ["write to me@example.com", "what is a key"]
    path.write_text("\n".join([*harmful, *fine]), encoding="utf-8")
    assert [one.text.text for one in harmless(read_traffic(path))] == fine
