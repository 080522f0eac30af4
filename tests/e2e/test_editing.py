"""Editing route files by the command line: the edits, what publishes them, `try` beside them, and completion."""

import json
import os
import pty
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.processes import ServerProcess, fingerpost, help_of

TEXT = "zorbulate the quonk of my compiler"


# --- add, rm, mv, new ---------------------------------------------------------------------------------------------


def test_add_move_and_remove_leave_nothing_behind(routes: Path) -> None:
    """Each command tells what it did and what comes next; at last the folder is what it was, byte for byte."""
    before = {path.name: path.read_bytes() for path in routes.glob("*.yaml")}
    out = fingerpost("add", "code", TEXT, "--routes", routes).stdout
    assert "1 utterance added to code:" in out
    assert f"Next: fingerpost reindex --routes {routes}" in out
    again = fingerpost("add", "code", TEXT.upper(), "--routes", routes).stdout
    assert "1 utterance already in code:" in again
    assert "No file was changed." in again
    told = fingerpost("add", "maths", TEXT, "--routes", routes, code=7).stderr
    assert f"fingerpost mv '{TEXT}' --to maths" in told
    fingerpost("mv", TEXT, "--to", "maths", "--test", "--routes", routes)
    assert f"  - {TEXT}\n".encode() in (routes / "maths.yaml").read_bytes()
    assert (routes / "code.yaml").read_bytes() == before["code.yaml"]
    assert "the nearest: " in fingerpost("rm", "maths", TEXT[1:], "--routes", routes, code=7).stderr
    assert "1 test removed from maths:" in fingerpost("rm", "maths", TEXT, "--routes", routes).stdout
    assert {path.name: path.read_bytes() for path in routes.glob("*.yaml")} == before


def test_texts_from_standard_input(routes: Path) -> None:
    """A dash takes the lines of standard input; JSON tells every text with file and line."""
    done = fingerpost("add", "code", "-", "--test", "--routes", routes, "--json", lines=f"{TEXT}\n\n  second: one \n")
    told = json.loads(done.stdout)
    assert [(text["kind"], text["text"]["text"]) for text in told["added"]] == [("test", TEXT), ("test", "second: one")]
    assert told["files"] == ["code.yaml"]
    lines = (routes / "code.yaml").read_text(encoding="utf-8").splitlines()
    assert [lines[text["text"]["line"] - 1] for text in told["added"]] == [f"  - {TEXT}", '  - "second: one"']
    fingerpost("add", "code", "x", "--json", "--reindex", "--routes", routes, code=7)


def test_a_new_route_is_published_with_its_edit(data: Path, routes: Path) -> None:
    """A new route is written and published by one command; a model that there is not is told with those there are."""
    told = fingerpost("new", "travel", "--model", "huge", "--routes", routes, code=7).stderr
    assert "there are coder, guardian, large, medium, polyglot, reasoner, seer, small" in told
    assert not (routes / "travel.yaml").exists()
    arguments = ("plan a trip to Lisbon", "what to pack for Norway", "--description", "Trips.", "--routes", routes)
    out = fingerpost("new", "travel", "--model", "medium", *arguments, "--reindex", "--data", data).stdout
    assert "14 routes" in out
    assert (routes / "travel.yaml").read_text().startswith("# yaml-language-server: $schema=schema/route.schema.json\n")


def test_adding_and_publishing_need_no_torch(data: Path, routes: Path) -> None:
    """One command edits and publishes, and neither torch nor its family is imported."""
    code = """
import sys
from fingerpost.__main__ import main
sys.argv = ["fingerpost", "add", "code", *sys.argv[1:], "--reindex"]
try:
    main()
finally:
    loaded = {"torch", "transformers", "sentence_transformers", "semantic_router", "sklearn"} & set(sys.modules)
    print("loaded:", sorted(loaded))
"""
    command = [sys.executable, "-c", code, TEXT, "--routes", str(routes), "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "1 utterance added to code:" in done.stdout
    assert "now serves revision" in done.stdout
    assert "loaded: []" in done.stdout


def test_the_commands_have_help_with_an_example() -> None:
    """--help of each command shows an example that starts with the program's name."""
    for command in ("add", "rm", "mv", "new"):
        assert f"Example: fingerpost {command}" in help_of(command)


# --- reindex --watch ----------------------------------------------------------------------------------------------


class Watching:
    """`fingerpost reindex --watch` and what it prints, errors too; a context manager that ends it at last."""

    def __init__(self, routes: Path, data: Path) -> None:
        self._command = [sys.executable, "-m", "fingerpost", "reindex", "--watch"]
        self._command += ["--routes", str(routes), "--data", str(data)]
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def until(self, words: str) -> str:
        """What is printed up to the line with the words."""
        printed = ""
        while words not in printed:
            printed += self._lines.get(timeout=60)
        return printed

    def round(self) -> str:
        """What one round prints."""
        return self.until("Watching ")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self._reader.join(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


def renamed_over(path: Path, content: str) -> None:
    """Writes as many editors do: another file beside, which then takes the place of the first."""
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text(content, encoding="utf-8")
    beside.rename(path)


def test_watching(data: Path, routes: Path) -> None:
    """Every change is published; an error, even a folder that is gone, is told and waited out; Ctrl-C ends it well."""
    code = routes / "code.yaml"
    good = code.read_text(encoding="utf-8")
    with Watching(routes, data) as watching:
        assert "already serves revision" in watching.round()
        fingerpost("add", "code", TEXT, "--routes", routes)
        printed = watching.round()
        assert " changed: code.yaml\n" in printed
        assert "now serves revision" in printed
        renamed_over(code, good + "colour: blue\n")
        printed = watching.round()
        assert "FP201" in printed
        assert "the route files have 1 error" in printed
        routes.rename(routes.with_name("away"))
        assert "FP101" in watching.round()
        routes.with_name("away").rename(routes)
        assert "FP201" in watching.round()
        (routes / ".#maths.yaml").symlink_to("an editor's lock")
        (routes / "maths.yaml~").write_text("another one", encoding="utf-8")
        renamed_over(code, good)
        printed = watching.round()
        assert " changed: code.yaml\n" in printed
        assert "now serves revision" in printed
        watching.process.send_signal(signal.SIGINT)
        assert watching.until("has ended") == "Watching has ended.\n"
        assert watching.process.wait(30) == 0


# --- try ----------------------------------------------------------------------------------------------------------


def test_try_adds_what_was_typed(starter: ServerProcess, routes: Path) -> None:
    """The last text goes to a route's utterances or tests; what cannot be done is told and the next line is taken."""
    lines = f":why\n:add code\n{TEXT}\n:add cod\n:add code\n:test code\n:why\n:nonsense\n:help\n:)\n"
    done = fingerpost("try", "--target", starter.address, "--routes", routes, lines=lines)
    assert done.stderr.splitlines() == [
        "fingerpost: there is no decision yet: type a text first",
        "fingerpost: type a text first, then the name of its route behind the command",
        done.stderr.splitlines()[2],
        done.stderr.splitlines()[3],
        "fingerpost: there is no :nonsense here: :help shows what there is",
    ]
    assert "did you mean code?" in done.stderr.splitlines()[2]
    assert f"fingerpost mv '{TEXT}' --to code --test" in done.stderr.splitlines()[3]
    assert f"  - {TEXT}\n" in (routes / "code.yaml").read_text(encoding="utf-8")
    assert "adds to the log-odds" in done.stdout
    assert ":add ROUTE" in done.stdout
    assert done.stdout.count("-> model") == 2, "a face is a text"
    refused = fingerpost("try", "--target", starter.address, lines=f"{TEXT}\n:add code\n").stderr
    assert refused == "fingerpost: start with --routes FOLDER to add texts to its files\n"


def test_try_tells_when_another_revision_answers(data: Path, routes: Path) -> None:
    """After a publication the next answer says that the revision changed."""
    command = [sys.executable, "-m", "fingerpost", "try", "--data", str(data)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "FINGERPOST_RELOAD_POLL_MS": "100"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def answer() -> str:
            assert process.stdin is not None
            process.stdin.write("fix the bug in my python script\n")
            process.stdin.flush()
            lines: list[str] = []
            while lines[-1:] != ["\n"]:
                lines.append(process.stdout.readline() if process.stdout else "")
            return "".join(lines)

        assert "answers now" not in answer()
        fingerpost("add", "code", TEXT, "--routes", routes, "--reindex", "--data", data)
        answers = [answer()]
        while "answers now" not in answers[-1] and len(answers) < 1000:
            answers.append(answer())
        assert "answers now" in answers[-1]
        assert "answers now" not in answer()
        process.stdin.close()
        assert process.wait(30) == 0


@contextmanager
def terminal(command: list[str]) -> Iterator[int]:
    """The terminal in which a command runs, to write to and to read from."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    try:
        yield ours
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)


def test_try_recalls_lines(starter: ServerProcess) -> None:
    """For people a line can be edited, and an earlier one is recalled with the arrow keys."""
    unread = b""

    def until(words: bytes) -> bytes:
        """What the terminal shows up to these words."""
        nonlocal unread
        while words not in unread:
            unread += os.read(screen, 4096)
        shown, _, unread = unread.partition(words)
        return shown

    with terminal([sys.executable, "-m", "fingerpost", "try", "--target", starter.address]) as screen:
        until(b"> ")
        os.write(screen, b"write a haiku about rains\x7f\n")
        until(b"-> model")
        until(b"\n> ")
        os.write(screen, b"\x1b[A\n")
        assert b"write a haiku about rain\r\n" in until(b"-> model")
        until(b"\n> ")
        os.write(screen, b"\n")


# --- Completion ---------------------------------------------------------------------------------------------------


def completed(line: str, folder: Path) -> list[str]:
    """What the shell is offered behind the line, by the protocol that its script speaks."""
    done = subprocess.run(
        [Path(sys.executable).with_name("fingerpost")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=folder,
        env={
            **os.environ,
            "_FINGERPOST_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("fingerpost add c", ["chitchat", "code"]),
        ("fingerpost add _", ["_out_of_scope"]),
        ("fingerpost mv x --to s", ["safety", "sql_data", "summarise"]),
        (
            "fingerpost new travel --model ",
            ["coder", "guardian", "large", "medium", "polyglot", "reasoner", "seer", "small"],
        ),
        ("fingerpost reindex --catalog d", ["default"]),
        ("fingerpost add --routes data c", []),
    ],
)
def test_completion(data: Path, routes: Path, line: str, offered: list[str]) -> None:
    """Names of routes, models and catalogs are offered from the folders at hand; without them nothing is."""
    assert data.parent == routes.parent
    assert completed(line, routes.parent) == offered


def test_completion_in_bash(routes: Path, tmp_path: Path) -> None:
    """What `--install-completion` installs for bash completes there: a route's name, as a person gets it with Tab."""
    commands = Path(sys.executable).parent
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{commands}:{os.environ['PATH']}"}

    def bash(script: str) -> str:
        command = ["bash", "--norc", "-ec", script]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60, cwd=routes.parent, env=environment
        )
        return done.stdout

    assert "bash completion installed" in bash("fingerpost --install-completion; true")
    script = """
    source ~/.bashrc
    function=$(complete -p fingerpost | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    COMP_WORDS=(fingerpost add ma) COMP_CWORD=2
    $function fingerpost
    echo "${COMPREPLY[@]}"
    """
    assert bash(script) == "maths\n"
