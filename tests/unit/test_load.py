"""Loading a route folder: files to a catalog, or everything that is wrong."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.load import load
from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.types import Model, Policy, Severity, Text
from tests.growth import cheapest
from tests.route_folders import MODELS, POLICY, ROUTE, findings_of, places, write_folder


def test_a_folder_becomes_a_catalog(tmp_path: Path) -> None:
    """Every field of every file arrives, and routes and models come in the order of their names."""
    folder = write_folder(
        tmp_path,
        {
            "z.yml": "name: beta\ndescription: Second.\nmodel: coder\nmin_confidence: 0.6\n"
            "utterances:\n  - ' join tables '\ntests:\n  - join them\n",
            "alpha.yaml": "model: strong\nutterances:\n  - sort\n",
            "_models.yaml": "models:\n  - name: strong\n  - name: coder\n    upstream_model: c-1\n    provider: p\n"
            "    endpoint: http://localhost/v1\n    description: d\n    input_price_usd_micros: 1\n"
            "    output_price_usd_micros: 2\n    context_window_tokens: 3\n    capabilities: [tools]\n"
            "    latency_p50_ms: 4\n    tier: cheap\n",
            "_policy.yaml": "fallback_model: strong\nfallback_chain: [coder]\ntarget_precision: 0.9\n"
            "out_of_scope_share: 0\n",
            "_out_of_scope.yaml": "utterances: [lights off]\ntests: [lights on]\n",
        },
    )
    loaded = load(folder)
    catalog = loaded.catalog
    assert loaded.findings == ()
    assert [route.name for route in catalog.routes] == ["alpha", "beta"]
    beta = catalog.routes[1]
    assert (beta.description, beta.model, beta.min_confidence) == ("Second.", "coder", 0.6)
    assert beta.utterances == (Text("join tables", "z.yml", 6),)
    assert beta.tests == (Text("join them", "z.yml", 8),)
    assert catalog.models == (
        Model("coder", "c-1", "p", "http://localhost/v1", "d", 1, 2, 3, ("tools",), 4, "cheap"),
        Model("strong", "strong"),
    )
    assert catalog.policy == Policy("strong", ("coder",), 0.9, 0)
    assert catalog.out_of_scope == (Text("lights off", "_out_of_scope.yaml", 1),)
    assert catalog.out_of_scope_tests == (Text("lights on", "_out_of_scope.yaml", 2),)


def test_what_may_be_left_out_has_defaults(tmp_path: Path) -> None:
    """A route is named after its file and the policy has the documented values."""
    catalog = load(write_folder(tmp_path, {"code.yaml": ROUTE})).catalog
    assert catalog.policy == Policy("strong", (), 0.95, 0.15)
    route = catalog.routes[0]
    assert (route.name, route.description, route.min_confidence, route.tests) == ("code", "", None, ())


def test_all_findings_of_all_files_come_at_once(tmp_path: Path) -> None:
    """One load tells everything, by file and line, as a failed precondition with its reason."""
    folder = write_folder(
        tmp_path,
        {
            "a.yaml": "model: coder\nutterances:\n  - 123\n  - fine\n  - true\nmodell: x\n",
            "b.yaml": "model: [\n",
            "c.yaml": "model: nobody\nutterances: [sort]\n",
            "d.yaml": "model: coder\nutterances: [Sort]\n",
            "_models.yaml": MODELS + "    tier: best\n    latency_p50_ms: -1\n",
            "_policy.yaml": "target_precision: 1\n",
        },
    )
    with pytest.raises(RouteFilesInvalid) as caught:
        load(folder)
    assert [(finding.code, finding.file, finding.line) for finding in caught.value.findings] == [
        ("FP208", "_models.yaml", 4),
        ("FP205", "_models.yaml", 5),
        ("FP202", "_policy.yaml", 1),
        ("FP205", "_policy.yaml", 1),
        ("FP204", "a.yaml", 3),
        ("FP204", "a.yaml", 5),
        ("FP201", "a.yaml", 6),
        ("FP111", "b.yaml", 2),
        ("FP306", "d.yaml", 2),
    ]
    assert isinstance(caught.value, FailedPrecondition)
    assert caught.value.reason == ErrorReason.ROUTE_FILES_INVALID
    assert caught.value.message == "the route files have 9 errors"


def test_a_broken_model_list_raises_no_false_alarm(tmp_path: Path) -> None:
    """Models that could not be read are not called unknown."""
    folder = write_folder(tmp_path, {"code.yaml": ROUTE, "_models.yaml": "models: [\n"})
    assert [code for code, _, _ in places(folder)] == ["FP111"]


def test_both_required_files_are_named(tmp_path: Path) -> None:
    """A folder without models and policy says so for each."""
    (tmp_path / "code.yaml").write_text(ROUTE)
    assert places(tmp_path) == [("FP102", "_models.yaml", 0), ("FP102", "_policy.yaml", 0)]


def test_other_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    """Only YAML files are read: no notes, no hidden files, no folders below."""
    folder = write_folder(tmp_path, {"code.yaml": ROUTE, "README.md": "x", ".hidden": "["})
    (folder / "schema").mkdir()
    assert places(folder) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("more.txt", "join two tables\r\n\n  no  \nsay: \u2028 \N{GRINNING FACE}"),
        ("more.jsonl", '{"text": "join two tables", "label": 1}\n\n{"text": " no"}\n{"text": "say: \u2028 😀"}'),
        ("more.csv", 'id,text\n1,join two tables\n\n2,no\n3,"say: \u2028 😀"\n'),
    ],
)
def test_texts_come_from_a_file_beside(tmp_path: Path, name: str, content: str) -> None:
    """The three formats give the same texts, each with its line, after those of the YAML file."""
    folder = write_folder(tmp_path, {"code.yaml": f"{ROUTE}utterances_file: {name}\n", name: content})
    first, *others = load(folder).catalog.routes[0].utterances
    assert first.file == "code.yaml"
    assert [text.text for text in others] == ["join two tables", "no", "say: \u2028 \N{GRINNING FACE}"]
    shift = name.endswith(".csv")
    assert [(text.file, text.line) for text in others] == [(name, line + shift) for line in (1, 3, 4)]


def test_a_quoted_csv_text_may_span_lines(tmp_path: Path) -> None:
    """A text stands where it starts, and the line after it is not lost."""
    content = 'text\n"first\nsecond"\nthird\n'
    folder = write_folder(tmp_path, {"code.yaml": f"{ROUTE}utterances_file: a.csv\n", "a.csv": content})
    texts = load(folder).catalog.routes[0].utterances[1:]
    assert texts == (Text("first\nsecond", "a.csv", 2), Text("third", "a.csv", 4))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", "x\n[1]\n{}\n" + '{"text": 5}\n{"text": ""}\n{"text": "\\ud800"}\n',
         [("FP121", 1), ("FP121", 2), ("FP121", 3), ("FP121", 4), ("FP210", 5), ("FP212", 6)]),
        ("a.jsonl", "[" * 100_000, [("FP121", 1)]),
        ("a.jsonl", '{"text": "x", "n": ' + "9" * 5000 + "}", [("FP121", 1)]),
        ("a.csv", "txt\nx\n", [("FP121", 1)]),
        ("a.csv", "", [("FP121", 1)]),
        ("a.csv", "id,text\n1\n2,\n", [("FP121", 2), ("FP210", 3)]),
        ("a.csv", 'text\n"x"y\n', [("FP121", 2)]),
        ("a.csv", "text\n" + "x" * 200_000, [("FP121", 2)]),
        ("a.txt", "fine\na\0b\n", [("FP212", 2)]),
        ("a.txt", "x" * 17_000, [("FP211", 1)]),
        ("a.txt", b"fine\n\xff\n", [("FP105", 2)]),
        ("a.txt", "".join(f"t{n}\n" for n in range(100_001)), [("FP122", 100_001)]),
        ("a.txt", "\n" * 3_000_000, [("FP122", 100_001)]),
    ],
)  # fmt: skip
def test_bad_rows_are_found_line_by_line(
    tmp_path: Path, name: str, content: str | bytes, expected: list[tuple[str, int]]
) -> None:
    """Each bad row of a file beside is a finding at its own line, and a flood of rows ends the reading."""
    folder = write_folder(tmp_path, {"code.yaml": f"{ROUTE}utterances_file: {name}\n", name: content})
    found = [(finding.code, finding.line) for finding in findings_of(folder) if finding.severity is Severity.ERROR]
    assert found == expected


@pytest.mark.parametrize(
    "name", ["../up.txt", "sub/a.txt", "/etc/hostname", "..", "a.pdf", "a", "'a\\b.txt'", '"a\\0.txt"', "''"]
)
def test_only_a_plain_file_name_is_taken(tmp_path: Path, name: str) -> None:
    """A name with a path, an unknown end or odd characters is refused where it stands."""
    (tmp_path / "up.txt").write_text("secret\n")
    folder = write_folder(tmp_path / "routes", {"code.yaml": f"{ROUTE}utterances_file: {name}\n"})
    assert [(file, line) for _, file, line in places(folder)] == [("code.yaml", 4)]


@pytest.mark.parametrize("name", ["a.txt", "sql.yaml", "_models.yaml"])
def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    """Neither texts nor YAML are read through a link that leaves the folder, and nothing of them is shown."""
    (tmp_path / "secret").write_text("secret\n")
    folder = write_folder(tmp_path / "routes", {"code.yaml": f"{ROUTE}utterances_file: a.txt\n", "a.txt": "sort\n"})
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "secret")
    findings = findings_of(folder)
    assert [finding.code for finding in findings] == ["FP103"]
    assert "secret" not in findings[0].message


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    """Folders that are mounted as links into a hidden version, as Kubernetes does, load."""
    write_folder(tmp_path / "..data", {"code.yaml": ROUTE})
    for name in ("code.yaml", "_models.yaml", "_policy.yaml"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    assert load(tmp_path).catalog.routes[0].name == "code"


def test_a_pipe_or_folder_in_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    """What is no regular file is a finding, at once."""
    folder = write_folder(tmp_path, {"code.yaml": ROUTE})
    os.mkfifo(folder / "a.yaml")
    (folder / "b.yaml").mkdir()
    assert places(folder) == [("FP103", "a.yaml", 0), ("FP103", "b.yaml", 0)]


def test_a_loop_of_links_is_a_finding(tmp_path: Path) -> None:
    """A link to itself cannot be read and says so."""
    folder = write_folder(tmp_path, {"code.yaml": ROUTE})
    (folder / "a.yaml").symlink_to("a.yaml")
    assert [code for code, _, _ in places(folder)] == ["FP103"]


def test_repeated_texts_are_kept_once(tmp_path: Path) -> None:
    """A text that stands twice in one list counts once and leaves a warning with both places."""
    folder = write_folder(tmp_path, {"code.yaml": "model: coder\nutterances:\n  - sort\n  - ' sort'\ntests: [a, a]\n"})
    loaded = load(folder)
    route = loaded.catalog.routes[0]
    assert [len(route.utterances), len(route.tests)] == [1, 1]
    assert [(finding.code, finding.severity, finding.line) for finding in loaded.findings] == [
        ("FP310", Severity.WARNING, 4),
        ("FP310", Severity.WARNING, 5),
    ]
    assert "code.yaml:3" in loaded.findings[0].message


def test_loading_grows_with_the_utterances_and_no_faster(tmp_path: Path) -> None:
    """The size that reindexing is measured at, 15,000, takes at most twice ten times what 1,500 utterances take."""

    def loading(count: int) -> Callable[[], None]:
        rows = "".join(f"  - write a function that reverses list number {n}\n" for n in range(count))
        folder = write_folder(tmp_path / str(count), {"code.yaml": f"model: coder\nutterances:\n{rows}"})

        def run() -> None:
            assert len(load(folder).catalog.routes[0].utterances) == count

        return run

    assert cheapest(loading(15_000), 3) <= 20 * cheapest(loading(1_500))


def test_the_policy_may_be_as_short_as_one_line(tmp_path: Path) -> None:
    """The base folder of these tests is the smallest that loads."""
    assert POLICY.count("\n") == 1
    assert places(write_folder(tmp_path, {"code.yaml": ROUTE})) == []


def test_hidden_files_are_no_routes(tmp_path: Path) -> None:
    """What editors put beside an open file, such as a lock that is a link to nowhere, is passed over."""
    folder = write_folder(tmp_path, {"code.yaml": ROUTE, ".code.yaml": "half a li"})
    (folder / ".#code.yaml").symlink_to("somebody@somewhere")
    assert [route.name for route in load(folder).catalog.routes] == ["code"]
