"""Routers of RedisVL, training data of Rasa and CSV tables become route folders; what has no place is reported."""

import json
from pathlib import Path

import pytest

from tests.imported_files import codes, imported, refused, texts

REDISVL = """name: topics
vectorizer:
  type: hf
  model: sentence-transformers/all-MiniLM-L6-v2
routing_config:
  max_k: 2
  aggregation_method: avg
routes:
- name: technology
  references:
  - which phone has the best camera
  - what is new in chips
  metadata:
    category: tech
    priority: 1
  distance_threshold: 0.71
- name: sports
  references: [who won the match]
  metadata: {model: small}
  distance_threshold: 2
"""

RASA = """version: "3.1"
nlu:
- intent: book_flight
  examples: |
    - a flight to [Lisbon](city) please
    - from [Rome]{"entity": "city", "role": "from"} to [Bonn](city:BN)

    - two seats
- intent: faq/opening_hours
  examples: |
    - when do you open
- intent: out_of_scope
  examples: |
    - sing me a song
- intent: nlu_fallback
  examples: |
    - asdf
- intent: greet
  metadata: {sentiment: good}
  examples:
  - text: |
      hello
    metadata: {sentiment: neutral}
  - text: good morning
- synonym: Lisbon
  examples: |
    - Lisboa
- lookup: city
  examples: |
    - Bonn
- regex: zip
  examples: |
    - \\d{5}
stories:
- story: x
"""


def test_redisvl(tmp_path: Path) -> None:
    """References become utterances; a distance is explained as one and is no threshold."""
    catalog, report = imported(tmp_path, "router.yaml", REDISVL)
    assert report.format == "redisvl"
    assert texts(catalog) == {
        "sports": ["who won the match"],
        "technology": ["which phone has the best camera", "what is new in chips"],
    }
    assert [(route.model, route.min_confidence) for route in catalog.routes] == [("small", None), ("technology", None)]
    assert codes(report.findings) == [
        ("FP510", 1), ("FP510", 6), ("FP510", 7), ("FP514", 13), ("FP511", 16), ("FP515", 19), ("FP511", 20),
    ]  # fmt: skip
    assert "a cosine of at least 0.29" in report.findings[4].message


@pytest.mark.parametrize(
    ("threshold", "code"), [("0", "FP205"), ("2.1", "FP205"), ("-1", "FP205"), (".nan", "FP206"), ("far", "FP203")]
)
def test_a_distance_that_is_none(tmp_path: Path, threshold: str, code: str) -> None:
    """Distances of unit vectors are more than 0 and at most 2."""
    content = REDISVL.replace("distance_threshold: 0.71", f"distance_threshold: {threshold}")
    found = [finding for finding in refused(tmp_path, "router.yaml", content) if finding.severity == "error"]
    assert codes(found) == [(code, 16)]


def test_rasa(tmp_path: Path) -> None:
    """Intents become routes, examples utterances without annotations, and out_of_scope and nlu_fallback neither."""
    catalog, report = imported(tmp_path, "nlu.yml", RASA)
    assert report.format == "rasa"
    assert texts(catalog) == {
        "book_flight": ["a flight to Lisbon please", "from Rome to Bonn", "two seats"],
        "faq/opening_hours": ["when do you open"],
        "greet": ["hello", "good morning"],
    }
    assert [text.text for text in catalog.out_of_scope] == ["sing me a song", "asdf"]
    assert codes(report.findings) == [
        ("FP517", 5), ("FP510", 9), ("FP514", 19), ("FP514", 23), ("FP517", 25), ("FP517", 28), ("FP517", 31),
        ("FP517", 34),
    ]  # fmt: skip
    assert "3 in all" in report.findings[0].message


def test_an_empty_example_is_found_at_its_line(tmp_path: Path) -> None:
    """A bad example in a block is told by its own line."""
    content = RASA.replace("    - two seats\n", "    - \n    two seats\n")
    found = refused(tmp_path, "nlu.yml", content)
    assert ("FP210", 8) in codes(found)
    assert ("FP517", 9) in codes(found)


@pytest.mark.parametrize("version", ['"1.0"', "4.0", "[3]"])
def test_an_unknown_version_of_rasa(tmp_path: Path, version: str) -> None:
    """Versions other than 2.x and 3.x are one finding at the line of the version."""
    assert codes(refused(tmp_path, "nlu.yml", RASA.replace('"3.1"', version))) == [("FP504", 1)]


def test_rasa_of_old(tmp_path: Path) -> None:
    """The JSON of Rasa 1 is recognised, and the finding says how to convert it."""
    content = json.dumps({"rasa_nlu_data": {"common_examples": []}})
    [found] = refused(tmp_path, "nlu.json", content)
    assert found.code == "FP504"
    assert "convert" in found.message


@pytest.mark.parametrize("example", ["[" * 16_000, "[a](" * 4_000, "[a]{" * 4_000, "[a](b)" * 2_000 + "["])
def test_lines_full_of_brackets(tmp_path: Path, example: str) -> None:
    """Brackets that begin thousands of annotations and end none are read as they stand, without trying them all."""
    catalog, _ = imported(tmp_path, "nlu.yml", f"nlu:\n- intent: a\n  examples: |\n    - b\n    - {example}\n")
    assert texts(catalog)["a"] == ["b", example.replace("[a](b)", "a")]


def rows(*lines: str, end: str = "\n") -> str:
    return "".join(line + end for line in lines)


@pytest.mark.parametrize(
    "content",
    [
        rows("text,label", "sort it,code", "hi,chat", "lights off,oos"),
        rows("label;text", "code;sort it", "chat;hi", "oos;lights off"),
        rows("Intent\tQuery", "code\tsort it", "chat\thi", "oos\tlights off", end="\r\n"),
        "\ufeff" + rows('"text","category"', '"sort it","code"', "", '"hi","chat"', '"lights off",oos'),
    ],
)
def test_csv_as_people_have_it(tmp_path: Path, content: str) -> None:
    """Delimiter, order of the columns, their usual names, line ends and a byte order mark do not matter."""
    catalog, report = imported(tmp_path, "texts.csv", content)
    assert (report.format, report.findings) == ("csv", ())
    assert texts(catalog) == {"chat": ["hi"], "code": ["sort it"]}
    assert [text.text for text in catalog.out_of_scope] == ["lights off"]


def test_csv_is_told_by_its_first_line(tmp_path: Path) -> None:
    """The name of the file does not matter."""
    assert imported(tmp_path, "texts", rows("text,label", "a,b"))[1].format == "csv"


def test_quotes_and_line_ends_in_cells(tmp_path: Path) -> None:
    """A quoted cell may hold delimiters, quotes and line ends, and the rows after it keep their lines."""
    content = 'text,label\n"a, ""b""\nc",x\nd,\n'
    assert codes(refused(tmp_path, "texts.csv", content)) == [("FP121", 4)]
    catalog, _ = imported(tmp_path, "texts.csv", content.replace("d,", "d,x"))
    assert texts(catalog) == {"x": ['a, "b"\nc', "d"]}


def test_columns_besides_are_reported(tmp_path: Path) -> None:
    """Other columns are left out, each with a note."""
    _, report = imported(tmp_path, "texts.csv", rows("id,text,split,label", "1,a,train,b"))
    assert codes(report.findings) == [("FP520", 1), ("FP520", 1)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (rows("text", "a"), [("FP502", 1)]),
        (rows("text,utterance,label", "a,b,c"), [("FP502", 1)]),
        ("", [("FP502", 1)]),
        (rows("text,label", "a", "b,c", "d,e,f"), [("FP121", 2), ("FP121", 4)]),
        (rows("text,label", '"a"b,c'), [("FP121", 2)]),
        (rows("text,label", f"{'x' * 17_000},b"), [("FP211", 2)]),
        (rows("text,label", f"{'x' * 140_000},b"), [("FP121", 2)]),
        (rows("text,label"), [("FP505", 0)]),
        ("text,label\nécris,b\n".encode("latin-1"), [("FP105", 2)]),
    ],
)
def test_bad_csv(tmp_path: Path, content: str | bytes, found: list[tuple[str, int]]) -> None:
    """Each bad row is a finding at its line, and nothing is written."""
    assert codes(refused(tmp_path, "texts.csv", content)) == found
