"""Whatever is suggested for whatever route folder: the patch applies with both programs, and the folder loads."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings, strategies as st

from fingerpost.build.load import load
from fingerpost.build.suggest.files import changes_of
from fingerpost.build.suggest.patch import Change, unified
from fingerpost.build.suggest.route_sources import route_sources
from fingerpost.build.suggest.suggest import ForRoute, NewRoute, Proposed, Suggestions
from fingerpost.build.texts import normalised, text_fault
from tests.property.test_route_files import texts
from tests.route_folders import write_folder

STYLES = {
    "block": "model: coder\nutterances:\n  - first one\n  - second one\n",
    "no end": "model: coder\nutterances:\n  - first one",
    "comments": "# above\nmodel: coder\nutterances:\n- first one  # kept\n# - gone\n\n\ntests:\n- a test\n# below",
    "flow": "model: coder\nutterances: [first one, 'second, one']  # c\n",
    "windows": "model: coder\r\nutterances:\r\n  - first one\r\nmin_confidence: 0.5\r\n",
    "marked": "\ufeffutterances: [first one]\nmodel: coder\n",
    "literal": "model: coder\nutterances:\n  - |\n    first\n    one\n\n\n",
    "txt": "model: coder\nutterances_file: more.txt\n",
    "jsonl": "model: coder\nutterances_file: more.jsonl\n# end\n",
    "csv": "model: coder\nutterances_file: more.csv\ntests: []\n",
    "both": "model: coder\nutterances_file: more.txt\nutterances:\n  - first one\n",
}
BESIDE = {"more.txt": "beside\nbeside too", "more.jsonl": '{"text": "beside"}\r\n', "more.csv": "n,text\n1,beside\n"}
BRACES = "{model: coder}\n"
FILES = ["code.yaml", "a b.yaml", 'q"\\.yml', "größe.yaml"]

wanted = st.lists(texts.filter(lambda text: not text_fault(text)), min_size=1, max_size=4, unique_by=normalised)


def proposed(found: list[str]) -> tuple[Proposed, ...]:
    return tuple(Proposed(text.strip(), 1, 0.5, "first\none") for text in found)


def suggestions(more: list[str], new: list[str], route: str, name: str) -> Suggestions:
    for_route = ForRoute(route, proposed(more), len(more), 9, 0.4, 0.6)
    new_route = NewRoute(name, "Requests about: x", ("x",), proposed(new), len(new), 9, None, ())
    return Suggestions(9, 9, 0, 0, 9, 0, (for_route,), (new_route,), 0, 0, 0)


@given(wanted, wanted, st.sampled_from(list(STYLES)), st.sampled_from(FILES), st.sampled_from(["no", "code", "ö x"]))
@settings(max_examples=40, deadline=None)
def test_a_patch_applies_and_loads(more: list[str], new: list[str], style: str, file: str, name: str) -> None:
    """`git apply` and `patch -p1` give the same folder, which loads with every suggested text where it belongs."""
    added = {normalised(text) for text in more}
    new = [text for text in new if normalised(text) not in added] or ["wholly new"]
    with tempfile.TemporaryDirectory() as root:
        used = {name: content for name, content in BESIDE.items() if name in STYLES[style]}
        folder = write_folder(Path(root, "routes"), {file: STYLES[style], **used})
        [route] = load(folder).catalog.routes
        names = [path.name for path in folder.iterdir()]
        sources = route_sources(folder, load(folder).drafts)
        made = changes_of(suggestions(more, new, route.name, f"{name} new"), sources, "strong", names)
        assert not made.refused
        changes = [Change(file, BRACES, BRACES, ("by hand",)), *made.changes]
        by_git, by_patch = (Path(shutil.copytree(folder, Path(root, program))) for program in ("git", "patch"))
        patch = unified(changes).encode()
        run(["git", "apply", "--whitespace=nowarn", "-"], by_git, patch)
        run(["patch", "-p1", "--quiet", "--binary"], by_patch, patch)
        assert contents(by_git) == contents(by_patch)
        assert contents(by_git) == contents(folder) | {change.file: change.after.encode() for change in made.changes}
        routes = {one.name: [text.text for text in one.utterances] for one in load(by_git).catalog.routes}
        before = [text.text for text in route.utterances]
        assert set(routes[route.name]) == {*before, *(text.strip() for text in more)}
        assert routes[f"{name} new"] == [text.strip() for text in new]


def run(command: list[str], folder: Path, patch: bytes) -> None:
    done = subprocess.run(command, cwd=folder, input=patch, capture_output=True, check=False)
    assert done.returncode == 0, f"{done.stdout!r} {done.stderr!r} {patch!r}"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


lines = st.lists(st.sampled_from(["a", "b", "", " ", "-", "+++ b/x", "@@ -1 +1 @@", "\\ No"]), max_size=8)


@given(lines, lines, lines, st.sampled_from(["\n", "\r\n", ""]))
@settings(max_examples=40, deadline=None)
def test_a_diff_is_what_changed(head: list[str], new: list[str], tail: list[str], end: str) -> None:
    """Lines put anywhere into a file come out by git as they were put, last lines without an end too."""
    before, after = "\n".join([*head, *tail]) + end, "\n".join([*head, *new, *tail]) + end
    if before in ("", after) or not after:
        return
    with tempfile.TemporaryDirectory() as root:
        Path(root, "x").write_bytes(before.encode())
        run(
            ["git", "apply", "--whitespace=nowarn", "-"],
            Path(root),
            unified([Change("x", before, after, ("a note\n--- of two",))]).encode(),
        )
        assert Path(root, "x").read_bytes() == after.encode()


def test_nothing_changed_is_no_patch() -> None:
    """A file that stays as it is does not stand in the patch."""
    assert unified([Change("x", "a\n", "a\n")]) == ""
    assert json.dumps(unified([Change("x", None, "a\n")])) == '"--- /dev/null\\n+++ b/x\\n@@ -0,0 +1,1 @@\\n+a\\n"'
