"""Labelled texts become a route folder."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.imports.formats import ImportReport, import_file
from fingerpost.build.load import load
from fingerpost.errors import InvalidRequest
from fingerpost.types import Catalog


def write_rows(path: Path, rows: Iterable[tuple[object, object]]) -> Path:
    path.write_text("".join(json.dumps({"text": text, "label": label, "split": "x"}) + "\n" for text, label in rows))
    return path


def import_labelled_jsonl(source: Path, out: Path) -> ImportReport:
    return import_file(source, out, "labelled-jsonl")


def imported(folder: Path, *rows: tuple[str, str]) -> Catalog:
    import_labelled_jsonl(write_rows(folder / "rows.jsonl", rows), folder / "out")
    return load(folder / "out").catalog


def test_labels_become_routes_with_models_of_their_own(tmp_path: Path) -> None:
    """Each label is a route and a model; `oos` is out of scope; the fallback is a model that no route has."""
    catalog = imported(tmp_path, ("sort it", "code"), ("hi", "chat"), ("lights off", "oos"), ("join", "code"))
    assert [(route.name, route.model, [text.text for text in route.utterances]) for route in catalog.routes] == [
        ("chat", "chat", ["hi"]),
        ("code", "code", ["sort it", "join"]),
    ]
    assert [model.name for model in catalog.models] == ["chat", "code", "fallback"]
    assert catalog.policy.fallback_model == "fallback"
    assert [text.text for text in catalog.out_of_scope] == ["lights off"]


def test_the_report_counts_what_was_written(tmp_path: Path) -> None:
    """Repeated texts are kept once, contradictory ones go to the first label and are named, and both are counted."""
    rows = [("a", "x"), ("a ", "x"), ("A", "x"), ("a", "y"), ("b", "y"), ("B", "oos"), ("c", "oos")]
    report = import_labelled_jsonl(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "out")
    written = report.written
    assert (written.routes_count, written.utterances_count, written.out_of_scope_count) == (2, 3, 1)
    assert (written.repeated_count, written.contradictory_count) == (1, 2)
    found = [(finding.code, finding.file, finding.line) for finding in report.findings]
    assert found == [("FP519", "rows.jsonl", 4), ("FP519", "rows.jsonl", 6)]
    assert "'y' here and 'x' on line 1" in report.findings[0].message


def test_a_label_is_the_name_of_its_route(tmp_path: Path) -> None:
    """Labels with blanks, signs or other scripts are route names to the letter, whatever their files are called."""
    labels = ["credit limit?", "credit_limit", "credit/limit", "!!", "_x", "fallback", "Code", "code", "Größe", "é" * 9]
    catalog = imported(tmp_path, *((f"text {n}", label) for n, label in enumerate(labels)))
    names = {route.utterances[0].text: (route.name, route.model) for route in catalog.routes}
    models = ["fallback_model" if label == "fallback" else label for label in labels]
    assert [names[f"text {n}"] for n in range(len(labels))] == list(zip(labels, models, strict=True))
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"credit_limit.yaml", "credit_limit_2.yaml", "credit_limit_3.yaml", "Code.yaml", "code_2.yaml"} <= files


def test_a_label_that_is_no_name_is_cleaned(tmp_path: Path) -> None:
    """A label with a line break or of more than 128 characters gets a valid name of its own."""
    labels = ["two\nlines", "two_lines", "l" * 129]
    catalog = imported(tmp_path, *((f"text {n}", label) for n, label in enumerate(labels)))
    names = {route.utterances[0].text: route.name for route in catalog.routes}
    assert [names[f"text {n}"] for n in range(3)] == ["two_lines_2", "two_lines", "l" * 120]


def test_long_labels_stay_apart(tmp_path: Path) -> None:
    """Labels that agree in their first hundreds of characters become different routes."""
    catalog = imported(tmp_path, ("a", "l" * 300 + "1"), ("b", "l" * 300 + "2"), ("c", "m" * 128), ("d", "M" * 128))
    assert len(catalog.routes) == 4


def test_names_that_yaml_would_convert_stay_names(tmp_path: Path) -> None:
    """Labels such as `123`, `no` and `null` are route names like any other."""
    labels = ["123", "no", "null", "1.5", "true", "0x1f"]
    catalog = imported(tmp_path, *((f"text {n}", label) for n, label in enumerate(labels)))
    assert sorted(route.name for route in catalog.routes) == sorted(labels)


def test_compressed_rows_are_read(tmp_path: Path) -> None:
    """A .jsonl.gz file gives the same folder."""
    rows = write_rows(tmp_path / "rows.jsonl", [("sort it", "code")])
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(rows.read_bytes()))
    import_labelled_jsonl(packed, tmp_path / "out")
    assert load(tmp_path / "out").catalog.routes[0].name == "code"


def test_all_bad_rows_are_reported_and_nothing_is_written(tmp_path: Path) -> None:
    """Every bad row is a finding with its line, and no folder appears, not even a hidden one."""
    source = write_rows(
        tmp_path / "rows.jsonl", [("a", "x"), (5, "x"), ("b", None), ("", "x"), ("c", " "), ("a\0", "x")]
    )
    source.write_text(source.read_text() + 'x\n[1]\n{"text": "y"}\n\n')
    with pytest.raises(RouteFilesInvalid) as caught:
        import_labelled_jsonl(source, tmp_path / "out")
    assert [(finding.code, finding.line) for finding in caught.value.findings] == [
        ("FP121", 2), ("FP121", 3), ("FP210", 4), ("FP121", 5), ("FP212", 6), ("FP121", 7), ("FP121", 8), ("FP121", 9),
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_what_would_not_load_is_not_written(tmp_path: Path) -> None:
    """Rows without any route are refused, and leave nothing behind."""
    source = write_rows(tmp_path / "rows.jsonl", [("a", "oos")])
    with pytest.raises(RouteFilesInvalid) as caught:
        import_labelled_jsonl(source, tmp_path / "out")
    assert [finding.code for finding in caught.value.findings] == ["FP505"]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not gzip", id="not gzip"),
        pytest.param(gzip.compress(b"x" * 1000)[:-9], id="cut off"),
        pytest.param(gzip.compress(b"\0" * (65 << 20)), id="swelling"),
    ],
)
def test_a_damaged_or_swelling_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    """A broken gzip file, and one that unpacks beyond the limit, are findings and take no memory to speak of."""
    source = tmp_path / "rows.jsonl.gz"
    source.write_bytes(data)
    with pytest.raises(RouteFilesInvalid):
        import_labelled_jsonl(source, tmp_path / "out")


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    """A source that does not exist is a finding, not a stack trace."""
    with pytest.raises(RouteFilesInvalid) as caught:
        import_labelled_jsonl(tmp_path / "none.jsonl", tmp_path / "out")
    assert [finding.code for finding in caught.value.findings] == ["FP102"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds anything, or a file in its place, is refused and left as it was; an empty one is taken."""
    source = write_rows(tmp_path / "rows.jsonl", [("sort it", "code")])
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("keep me")
    for out in (full, source):
        with pytest.raises(InvalidRequest) as caught:
            import_labelled_jsonl(source, out)
        assert [violation.field for violation in caught.value.fields] == ["out"]
    assert (full / "mine.txt").read_text() == "keep me"
    empty = tmp_path / "deep" / "empty"
    empty.mkdir(parents=True)
    import_labelled_jsonl(source, empty)
    assert load(empty).catalog.routes[0].name == "code"
