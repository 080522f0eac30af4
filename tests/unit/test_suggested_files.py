"""Suggested files: each suggestion stands where its route is written, or in words where only a person can put it."""

from pathlib import Path

from fingerpost.build.load import load
from fingerpost.build.suggest.files import Changes, changes_of
from fingerpost.build.suggest.patch import unified
from fingerpost.build.suggest.route_sources import route_sources
from fingerpost.build.suggest.suggest import ForRoute, Proposed, Suggestions
from tests.route_folders import write_folder

BRACES = '{"model": "coder", "utterances_file": "more.txt"}\n'
LINES = "model: coder\nutterances:\n- one # c\n"


def changes(folder: Path, texts: dict[str, list[str]]) -> Changes:
    """What becomes of texts for routes of the folder."""
    proposed = {name: tuple(Proposed(text, 1, 0.5, "near it") for text in own) for name, own in texts.items()}
    for_routes = tuple(ForRoute(name, own, len(own), 9, 0.4, 0.6) for name, own in proposed.items())
    found = Suggestions(9, 9, 0, 0, 9, 0, for_routes, (), 0, 0, 0)
    return changes_of(found, route_sources(folder, load(folder).drafts), "strong", [])


def test_the_utterances_file_gets_what_it_can_hold(tmp_path: Path) -> None:
    """A line of a .txt file is a text, so that one of several lines goes into the YAML file."""
    yaml = "\ufeffmodel: coder\nutterances:\n  - one\nutterances_file: more.txt\n"
    folder = write_folder(tmp_path, {"code.yaml": yaml, "more.txt": "two\n"})
    made = changes(folder, {"code": ["three", "fo\nur"]})
    assert {change.file: change.after for change in made.changes} == {
        "more.txt": "two\nthree\n",
        "code.yaml": '\ufeffmodel: coder\nutterances:\n  - one\n  - "fo\\nur"\nutterances_file: more.txt\n',
    }
    assert not made.refused


def test_what_must_be_done_by_hand_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    """A file that no edit can be made in stays whole, also its utterances file; the patch names the texts."""
    folder = write_folder(tmp_path, {"code.yaml": LINES, "maths.yaml": BRACES, "more.txt": "beside\n"})
    made = changes(folder, {"code": ["three"], "maths": ["four", "fi\nve"]})
    [refused] = made.refused
    assert refused.route == "maths"
    assert "maths.yaml must be edited by hand" in refused.why
    patch = unified(made.changes)
    told, _, diff = patch.partition("--- ")
    assert all(line.startswith("# ") for line in told.splitlines())
    assert "maths.yaml must be edited by hand" in told
    assert "four" in told
    assert diff.startswith("a/code.yaml\n+++ b/code.yaml\n")
    assert "+- three\n" in diff
    assert "maths" not in diff
    assert "more.txt" not in patch


def test_words_alone_are_no_patch(tmp_path: Path) -> None:
    """Where all must be done by hand there is nothing to apply."""
    folder = write_folder(tmp_path, {"maths.yaml": BRACES, "more.txt": "beside\n"})
    made = changes(folder, {"maths": ["fi\nve"]})
    assert len(made.refused) == 1
    assert unified(made.changes) == ""


def test_a_route_that_the_folder_lacks_is_left_alone(tmp_path: Path) -> None:
    """Nothing is made for a route of the revision that has no file."""
    folder = write_folder(tmp_path, {"code.yaml": LINES})
    assert changes(folder, {"gone": ["three"]}) == Changes((), ())
