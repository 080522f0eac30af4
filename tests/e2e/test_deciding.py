"""The starter policy and `fingerpost decide`: rules, requirements and choices as people meet them."""

import json
from pathlib import Path

from fingerpost.client import Client, Options, Requirements
from tests.processes import ServerProcess, fingerpost


def test_explained_step_by_step(data: Path) -> None:
    """Without a server: each rule with its verdict, the routes, and each model with its place or what keeps it out."""
    text = "write a function that turns a linked list around"
    out = fingerpost("decide", text, "--data", data, "--metadata", "data=confidential", "--explain").stdout
    lines = [line.strip("│├└─ ") for line in out.splitlines()]
    assert lines[0] == "MATCHED: route code, model coder"
    order = [
        "rules before similarity",
        "stack-traces: cannot hold: it needs a literal that is not there",
        "confidential-stays-in-the-eu, final: holds",
        "rules after similarity",
        "models",
    ]
    assert [line for line in lines if line in order] == order
    assert any(line.startswith("coder answers ($0.00") for line in lines)
    assert any(line.startswith("large is passed over: REGION") for line in lines)


def test_a_rule_saves_the_encoder(starter: ServerProcess) -> None:
    """A literal decides before anything is embedded, over the wire as well."""
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>'
    found = json.loads(fingerpost("decide", trace, "--target", starter.address, "--json").stdout)
    assert (found["outcome"], found["route"], found["model"]) == ("RULE", "code", "coder")
    assert found["rules"] == ["stack-traces"]
    assert (found["confidence"], found["timing"]["embed_us"]) == (None, 0)


def test_the_starter_routes_choose_their_models(starter: ServerProcess) -> None:
    """A floor keeps the cheapest model from summaries, value takes the middle one, and sight asks for one that sees."""
    with Client(starter.address, timeout_seconds=30) as client:
        summary = client.route("summarise this article in three sentences")
        assert (summary.route, summary.model) == ("summarise", "medium")
        assert ("small", "QUALITY_FLOOR") in [(one.model, one.reason) for one in summary.skipped_models]
        assert client.route("write a short poem about the sea").model == "medium"
        seeing = Options(requirements=Requirements(capabilities=["vision"]))
        code = client.route("write a function that turns a linked list around", seeing)
        assert (code.route, code.model, code.reasons) == ("code", "large", ("MODEL_PASSED_OVER",))


def test_wrong_input(data: Path) -> None:
    """What is not KEY=VALUE is told; what no model can do is one line with each model's reason."""
    assert "write KEY=VALUE" in fingerpost("decide", "x", "--data", data, "--metadata", "gold", code=7).stderr
    refused = fingerpost("decide", "hello", "--data", data, "--capability", "telepathy", code=7).stderr
    assert "no model that is named for this request may and can answer it (" in refused
    assert "small: CAPABILITY" in refused
    assert len(refused.splitlines()) == 1


def test_the_page_for_reviewers_has_the_rules(data: Path) -> None:
    """Each with its condition, what it does, and whether it is final; the limit in words."""
    page = fingerpost("docs", "--data", data).stdout
    assert "## Rules" in page
    assert "confidential-stays-in-the-eu" in page
    assert r"has(metadata.data) \&\& metadata.data ==" in page  # escaped, so that it is shown as it is
    assert "more than 50% of the decisions of 60 seconds" in page
