"""Edits of a route folder: what is written, what is refused, and that nothing is written then."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fingerpost.build.edit.editor import Edited, add_texts, create_route, move_texts, remove_texts
from fingerpost.build.edit.staging import staging
from fingerpost.build.edit.survey import OUT_OF_SCOPE_NAME, TextKind
from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.load import load
from fingerpost.errors import Conflict, InvalidRequest
from tests.route_folders import write_folder
from tests.unit.test_load_guards import MODELS as GUARDED_MODELS, POLICY as GUARDED

FILES = {
    "code.yaml": "model: coder\nutterances:\n  - reverse a linked list\n  - sort a list\n"
    "tests:\n  - turn a list around\n",
    "sql.yaml": "model: strong\nutterances:\n  - join two tables\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "routes", FILES)


def contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def texts(folder: Path, name: str = "code") -> tuple[list[str], list[str]]:
    """Utterances and tests of a route, as `load` reads them."""
    [route] = [route for route in load(folder).catalog.routes if route.name == name]
    return [text.text for text in route.utterances], [text.text for text in route.tests]


def places(edited: Edited) -> list[str]:
    """A line for each text: taken (-), put (+) or left (=)."""
    signed = {"-": edited.removed, "+": edited.added, "=": edited.unchanged}
    return [
        f"{sign}{one.route} {one.kind} {one.where} {one.text.text}" for sign, listed in signed.items() for one in listed
    ]


def refused(folder: Path, edit: Callable[[], Edited], error: type[Exception] = InvalidRequest) -> str:
    """What the edit says when it is refused; the folder stays as it is, byte for byte."""
    before = contents(folder)
    with pytest.raises(error) as caught:
        edit()
    assert contents(folder) == before
    return str(caught.value)


def test_a_folder_with_budgets_and_experiments_is_edited_as_any(tmp_path: Path) -> None:
    """Texts come, move and go, and routes are made, while the policy's file stays as it is."""
    folder = write_folder(
        tmp_path, {**FILES, "_models.yaml": GUARDED_MODELS, "_policy.yaml": GUARDED.replace("coder-small", "strong")}
    )
    before = (folder / "_policy.yaml").read_bytes()
    add_texts(folder, "code", ["merge two branches"])
    move_texts(folder, ["merge two branches"], "sql")
    remove_texts(folder, "sql", ["merge two branches"])
    create_route(folder, "poems", "strong", "", ["write a poem"])
    assert texts(folder, "poems") == (["write a poem"], [])
    assert texts(folder) == (["reverse a linked list", "sort a list"], ["turn a list around"])
    assert (folder / "_policy.yaml").read_bytes() == before


# --- Adding -------------------------------------------------------------------------------------------------------


def test_adding(folder: Path) -> None:
    """New texts stand behind the others, each told with its line; the second time they are there already."""
    edited = add_texts(folder, "code", ["  fix my loop ", "1 + 1", "Fix my LOOP"])
    assert places(edited) == ["+code utterance code.yaml:5 fix my loop", "+code utterance code.yaml:6 1 + 1"]
    assert edited.files == ("code.yaml",)
    assert texts(folder)[0] == ["reverse a linked list", "sort a list", "fix my loop", "1 + 1"]
    before = contents(folder)
    again = add_texts(folder, "code", ["fix my loop", "SORT a list"])
    assert places(again) == [
        "=code utterance code.yaml:5 fix my loop",
        "=code utterance code.yaml:4 sort a list",
    ]
    assert again.files == ()
    assert contents(folder) == before


def test_adding_tests_and_texts_of_no_route(folder: Path) -> None:
    """Tests come to `tests:`, which is made where it is missing, and so is the file of the texts out of scope."""
    add_texts(folder, "sql", ["which tables are there"], TextKind.TEST)
    assert texts(folder, "sql")[1] == ["which tables are there"]
    edited = add_texts(folder, OUT_OF_SCOPE_NAME, ["turn the lights off"])
    assert places(edited) == ["+_out_of_scope utterance _out_of_scope.yaml:2 turn the lights off"]
    add_texts(folder, OUT_OF_SCOPE_NAME, ["turn the heating on"], TextKind.TEST)
    catalog = load(folder).catalog
    assert [text.text for text in catalog.out_of_scope] == ["turn the lights off"]
    assert [text.text for text in catalog.out_of_scope_tests] == ["turn the heating on"]


def test_a_text_of_another_list_is_refused_with_the_command_that_moves_it(folder: Path) -> None:
    """Whose the text is, file, line and the command; none of the other texts is added either."""
    told = refused(folder, lambda: add_texts(folder, "code", ["new", "Join two  tables"]))
    assert "is an utterance of sql already (sql.yaml:3)" in told
    assert "fingerpost mv 'Join two  tables' --to code" in told
    told = refused(folder, lambda: add_texts(folder, "code", ["turn a list around"]))
    assert "is a test of code already (code.yaml:6)" in told
    assert told.endswith("fingerpost mv 'turn a list around' --to code --utterance")


def test_an_unknown_route_is_told_with_those_that_there_are(folder: Path) -> None:
    """The nearest name comes first."""
    told = refused(folder, lambda: add_texts(folder, "cod", ["x"]))
    assert told == "no route is called 'cod': did you mean code? There are code, sql"
    assert "there are code, sql" in refused(folder, lambda: remove_texts(folder, "zzz", ["x"]))


@pytest.mark.parametrize("text", ["  ", "a\x00b", "x" * 20_000])
def test_what_is_no_text_is_refused(folder: Path, text: str) -> None:
    """Empty texts, forbidden characters and texts over the limit never reach a file."""
    for edit in (
        lambda: add_texts(folder, "code", ["fine", text]),
        lambda: create_route(folder, "new", "coder", "", [text]),
    ):
        assert "x" * 100 not in refused(folder, edit)


# --- Removing -----------------------------------------------------------------------------------------------------


def test_removing(folder: Path) -> None:
    """Utterances and tests go alike; a route that loses its last utterance is a warning."""
    edited = remove_texts(folder, "code", ["SORT A LIST", "turn a list around"])
    assert places(edited) == ["-code utterance code.yaml:4 sort a list", "-code test code.yaml:6 turn a list around"]
    assert texts(folder) == (["reverse a linked list"], [])
    assert edited.findings == ()
    edited = remove_texts(folder, "code", ["reverse a linked list"])
    assert [finding.code for finding in edited.findings] == ["FP311"]
    assert (folder / "code.yaml").read_text() == "model: coder\nutterances: []\ntests: []\n"


def test_removing_what_is_not_there_tells_the_nearest(folder: Path) -> None:
    """A slip of the finger is answered with what is like it, and a text of another route with that route."""
    told = refused(folder, lambda: remove_texts(folder, "code", ["sort list"]))
    assert told == "code has no 'sort list'; the nearest: 'sort a list' (code.yaml:4)"
    told = refused(folder, lambda: remove_texts(folder, "code", ["join two tables"]))
    assert told == "code has no 'join two tables': it is a text of sql (sql.yaml:3)"
    assert "nothing near it" in refused(folder, lambda: remove_texts(folder, "sql", ["0123456789"]))


# --- Moving -------------------------------------------------------------------------------------------------------


def test_moving(folder: Path) -> None:
    """An utterance stays one and a test stays one, unless it is told to become the other."""
    edited = move_texts(folder, ["sort a list", "turn a list around"], "sql")
    assert edited.files == ("sql.yaml", "code.yaml")
    assert places(edited)[2:] == [
        "+sql utterance sql.yaml:4 sort a list",
        "+sql test sql.yaml:6 turn a list around",
    ]
    assert texts(folder) == (["reverse a linked list"], [])
    move_texts(folder, ["turn a list around"], "sql", kind=TextKind.UTTERANCE)
    assert texts(folder, "sql") == (["join two tables", "sort a list", "turn a list around"], [])
    move_texts(folder, ["sort a list"], "code", source="sql", kind=TextKind.TEST)
    assert texts(folder) == (["reverse a linked list"], ["sort a list"])
    again = move_texts(folder, ["sort a list"], "code")
    assert again.files == ()
    assert places(again) == ["=code test code.yaml:5 sort a list"]


def test_moving_a_text_of_two_routes(folder: Path) -> None:
    """Which one is asked for; moving it to the other mends the folder."""
    with (folder / "sql.yaml").open("a") as file:
        file.write("  - Sort a list\n")
    told = refused(folder, lambda: move_texts(folder, ["sort a list"], "sql"))
    assert told == "'sort a list' is a text of code and of sql: say which with --from"
    edited = move_texts(folder, ["sort a list"], "sql", source="code")
    assert edited.findings == ()
    assert texts(folder) == (["reverse a linked list"], ["turn a list around"])
    assert texts(folder, "sql")[0] == ["join two tables", "Sort a list"]
    assert "no route has" in refused(folder, lambda: move_texts(folder, ["sort the list now"], "sql"))


def test_moving_puts_back_what_it_wrote_when_the_second_file_fails(folder: Path) -> None:
    """Two files change together or not at all."""
    (folder / ".code.yaml.new").mkdir()  # where the second file would be written first
    refused(folder, lambda: move_texts(folder, ["sort a list"], "sql"), OSError)


# --- New routes ---------------------------------------------------------------------------------------------------


def test_a_new_route(folder: Path) -> None:
    """Its file says name, description, model and utterances, and the schema where the folder has one."""
    edited = create_route(folder, "road trips", "strong", "Trips: by car", ["plan a trip", "2 days"])
    assert edited.files == ("road_trips.yaml",)
    assert (folder / "road_trips.yaml").read_text() == (
        'name: road trips\ndescription: "Trips: by car"\nmodel: strong\nutterances:\n  - plan a trip\n  - "2 days"\n'
    )
    (folder / "schema").mkdir()
    (folder / "schema" / "route.schema.json").touch()
    edited = create_route(folder, "été", "strong", "", [])
    assert [finding.code for finding in edited.findings] == ["FP311"]
    assert (folder / "été.yaml").read_text().startswith("# yaml-language-server: $schema=schema/route.schema.json\n")
    assert {route.name for route in load(folder).catalog.routes} == {"code", "sql", "road trips", "été"}


def test_a_new_route_that_cannot_be(folder: Path) -> None:
    """A taken name or file, an unknown model and a text of another route are told, and no file is made."""

    def new(route: str, model: str = "coder", text: str = "plan a trip") -> Callable[[], Edited]:
        return lambda: create_route(folder, route, model, "", [text])

    assert "see code.yaml" in refused(folder, new("code"))
    assert "the file sql.yaml is there" in refused(folder, new("SQL"))
    assert "no valid name" in refused(folder, new(" x"))
    assert "no valid name" in refused(folder, new(OUT_OF_SCOPE_NAME))
    told = refused(folder, new("travel", model="codr"))
    assert told == "no model in _models.yaml is called 'codr': did you mean coder? There are coder, strong"
    assert "make the route without it, then fingerpost mv" in refused(folder, new("travel", text="join two tables"))


# --- Utterances files ---------------------------------------------------------------------------------------------


def test_a_route_with_an_utterances_file(tmp_path: Path) -> None:
    """Utterances come to the file and go from wherever they stand; tests stay in the YAML."""
    yaml = "model: coder\nutterances: [sort a list, both]\nutterances_file: code.csv\n"
    folder = write_folder(tmp_path / "r", {"code.yaml": yaml, "code.csv": b"id,text\r\n1,reverse it\r\n2,both\r\n"})
    edited = add_texts(folder, "code", ["fix, please"])
    assert edited.files == ("code.csv",)
    assert places(edited) == ["+code utterance code.csv:4 fix, please"]
    remove_texts(folder, "code", ["both"])
    assert (folder / "code.csv").read_bytes() == b'id,text\r\n1,reverse it\r\n,"fix, please"\r\n'
    assert (folder / "code.yaml").read_text() == yaml.replace(", both", "")
    move_texts(folder, ["reverse it"], "code", kind=TextKind.TEST)
    assert texts(folder) == (["sort a list", "fix, please"], ["reverse it"])


# --- Files as they are --------------------------------------------------------------------------------------------


def test_permissions_byte_order_marks_and_links_are_kept(folder: Path) -> None:
    """A link inside the folder is written through, as `load` reads through it; nothing else lies there afterwards."""
    (folder / "real").mkdir()
    real = folder / "real" / "code.yaml"
    real.write_bytes(b"\xef\xbb\xbf" + (folder / "code.yaml").read_bytes().replace(b"\n", b"\r\n"))
    real.chmod(0o640)
    (folder / "code.yaml").unlink()
    (folder / "code.yaml").symlink_to(Path("real", "code.yaml"))
    before = real.read_bytes()
    add_texts(folder, "code", ["fix my loop"])
    assert (folder / "code.yaml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_bytes() == before.replace(b"sort a list\r\n", b"sort a list\r\n  - fix my loop\r\n")
    assert sorted(os.listdir(folder / "real")) == ["code.yaml"]
    assert sorted(os.listdir(folder)) == ["_models.yaml", "_policy.yaml", "code.yaml", "real", "sql.yaml"]


def test_a_link_out_of_the_folder_is_no_route(folder: Path, tmp_path: Path) -> None:
    """What `load` refuses is not written to."""
    outside = tmp_path / "outside.yaml"
    (folder / "code.yaml").rename(outside)
    (folder / "code.yaml").symlink_to(outside)
    (folder / "_out_of_scope.yaml").symlink_to(tmp_path / "nowhere.yaml")
    before = outside.read_bytes()
    refused(folder, lambda: add_texts(folder, "code", ["fix my loop"]), RouteFilesInvalid)
    refused(folder, lambda: add_texts(folder, OUT_OF_SCOPE_NAME, ["fix my loop"]), RouteFilesInvalid)
    assert outside.read_bytes() == before
    assert not (tmp_path / "nowhere.yaml").exists()


def test_a_change_by_somebody_else_is_kept(folder: Path) -> None:
    """Between reading and writing another program wrote the file: its content stays."""
    path = folder / "code.yaml"
    with staging(folder) as stage:
        stage.change("code.yaml", stage.content("code.yaml") + "# ours\n")
        path.write_text(path.read_text() + "# theirs\n")
        with pytest.raises(Conflict, match="changed by somebody else"):
            stage.commit()
    assert path.read_text().endswith("# theirs\n")
    with staging(folder) as stage:
        stage.create("new.yaml", path.read_text().replace("list", "queue"))
        (folder / "new.yaml").write_text("theirs")
        with pytest.raises(Conflict):
            stage.commit()
    assert (folder / "new.yaml").read_text() == "theirs"


def test_edits_at_the_same_time_wait_for_each_other(folder: Path) -> None:
    """None of several edits that begin at once is lost or refused."""
    own = [f"question number {number}" for number in range(8)]
    with ThreadPoolExecutor(len(own)) as threads:
        list(threads.map(lambda text: add_texts(folder, "code", [text]), own))
    assert sorted(texts(folder)[0][2:]) == own


def test_errors_that_were_there_do_not_stop_an_edit_elsewhere(folder: Path) -> None:
    """They are told; an error that the edit would bring stops it, and a file with errors is mended by hand first."""
    (folder / "maths.yaml").write_text("model: nobody\nutterances: [one and one]\n")
    (folder / "poems.yaml").write_text("model: strong\nutterances: [\n")
    edited = add_texts(folder, "code", ["fix my loop"])
    assert [finding.code for finding in edited.findings] == ["FP303", "FP111"]
    refused(folder, lambda: add_texts(folder, "poems", ["a sonnet"]), RouteFilesInvalid)
    with staging(folder) as stage:
        stage.change("sql.yaml", stage.content("sql.yaml") + "  - sort a list\n")
        with pytest.raises(RouteFilesInvalid) as caught:
            stage.commit()
    assert [(finding.code, finding.file) for finding in caught.value.findings] == [("FP306", "sql.yaml")]
    assert (folder / "sql.yaml").read_text() == FILES["sql.yaml"]


def test_a_file_that_does_not_say_what_it_holds_is_not_edited(folder: Path) -> None:
    """Two files with one route's name, and out-of-scope texts that cannot be read, are told with their findings."""
    (folder / "more.yaml").write_text("name: code\nmodel: coder\nutterances: [fix my loop]\n")
    (folder / "_out_of_scope.yaml").write_text("utterances:\n")
    refused(folder, lambda: remove_texts(folder, "code", ["fix my loop"]), RouteFilesInvalid)
    refused(folder, lambda: add_texts(folder, OUT_OF_SCOPE_NAME, ["turn the lights off"]), RouteFilesInvalid)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is the finding that `load` has for it."""
    with pytest.raises(RouteFilesInvalid) as caught:
        add_texts(tmp_path / "nowhere", "code", ["x"])
    assert [finding.code for finding in caught.value.findings] == ["FP101"]
