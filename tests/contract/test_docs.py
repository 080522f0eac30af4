"""What the pages say is so: links lead somewhere, commands and options exist, names are known."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from fingerpost.build.finding_registry import KINDS
from fingerpost.cli import app
from fingerpost.settings import Settings

ROOT = Path(__file__).parents[2]
_NOT_OURS = {".git", ".venv", ".cache", "node_modules", "data", "dist"}


def _pages() -> Iterator[Path]:
    for folder, names, files in os.walk(ROOT):
        names[:] = [name for name in names if name not in _NOT_OURS and not name.startswith((".", "_"))]
        yield from (Path(folder) / file for file in files if file.endswith(".md"))


PAGES = sorted(_pages())
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Contents of the page's fenced blocks of a language."""
    return [body for name, body in _FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def prose(page: Path) -> str:
    """The page without fenced blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))


# --- Links --------------------------------------------------------------------------------------------------------


def links(page: Path) -> list[str]:
    """Targets of links and images that are no addresses of the web."""
    found: list[str] = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page))
    return [target for target in found if not target.startswith(("https://", "http://", "mailto:"))]


def anchors(page: Path) -> set[str]:
    """Names of the page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    slugs: list[str] = []
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        again = slugs.count(slug)
        slugs.append(slug)
        slugs.extend([f"{slug}-{again}"] if again else [])
    return set(slugs)


@EVERY_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file or folder of the repository, and its anchor a heading there."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), f"{link} leaves the repository"
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


def test_each_guide_and_concept_is_linked() -> None:
    """Nobody has to guess that a guide, concept or decision exists: another page or the folder's link leads to it."""
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)}
    written = [page for page in PAGES if page.parent.parent == ROOT / "docs" and page.parent.name != "reference"]
    assert len(written) > 10
    assert [page.name for page in written if page not in linked and page.parent not in linked] == []


# --- Commands -----------------------------------------------------------------------------------------------------

_SCRIPT_TO_COMMAND = {"serve": "serve", "reindex": "reindex"}  # scripts that pass their options on to ours
_SCRIPT_OPTIONS: dict[str, set[str]] = {
    "gen-proto": {"--check"},
    "gen-schema": {"--check"},
    "gen-findings": {"--check"},
    "gen-reference": {"--check"},
    "gen-routes-table": {"--check", "--report"},
    "check": set(),
    "setup": set(),
}
_PASSES_ON = {"test", "bench"}  # whose options belong to pytest and the like


def commands(block: str) -> Iterator[list[str]]:
    """The simple commands of a bash block, without what stands before the program: sudo, settings."""
    text = re.sub(r"<<'(\w+)'([^\n]*).*?^\1$", r"\2", block, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ")
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for token in [*lexer, ";"]:
            if set(token) <= set("();<>|&"):
                yield from [program(words)] if program(words) else []
                words = []
            else:
                words.append(token)


def program(words: list[str]) -> list[str]:
    rest = list(words)
    while rest and (rest[0] == "sudo" or re.match(r"[A-Z_]+=", rest[0])):
        drop = 3 if rest[0] == "sudo" and rest[1:2] == ["-u"] else 1
        rest = rest[drop:]
    return rest


_WRONG_USAGE: Any = typer.BadParameter.__bases__  # what the command line raises for any wrong use


def parse(arguments: list[str]) -> None:
    """Let the command line parse the arguments without running anything; fails as the command would."""
    command: Any = get_command(app)
    rest = list(arguments)
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    try:
        command.make_context(command.name, rest)
    except typer.Exit:  # --help and --version end at once
        return
    except _WRONG_USAGE as error:
        pytest.fail(f"fingerpost {shlex.join(arguments)}: {error.format_message()}")


def check_script(name: str, arguments: list[str]) -> None:
    path = ROOT / "scripts" / name
    assert path.is_file(), f"there is no scripts/{name}"
    assert os.access(path, os.X_OK), f"scripts/{name} cannot be run"
    if name in _SCRIPT_TO_COMMAND:
        parse([_SCRIPT_TO_COMMAND[name], *arguments])
    elif name not in _PASSES_ON:
        unknown = {word.partition("=")[0] for word in arguments if word.startswith("-")} - _SCRIPT_OPTIONS[name]
        assert not unknown, f"scripts/{name} has no {unknown}"


@EVERY_PAGE
def test_commands_exist_with_their_options(page: Path) -> None:
    """Each command of ours in a bash block names an existing command, existing options and all that it needs."""
    for block in blocks(page, "bash"):
        for words in commands(block):
            name = Path(words[0])
            if name.name == "fingerpost":
                parse(words[1:])
            elif name.parent.name == "scripts":
                check_script(name.name, words[1:])


def test_the_reader_of_commands_reads_commands() -> None:
    """Continued lines, pipes, sudo and settings are understood, and texts of a heredoc are no commands."""
    block = (
        "A=1 sudo -u x bin/fingerpost info \\\n  --json && cat <<'EOF' | tee\nfingerpost bad\nEOF\nls # fingerpost\n"
    )
    assert list(commands(block)) == [["bin/fingerpost", "info", "--json"], ["cat"], ["tee"], ["ls"]]
    with pytest.raises(AssertionError, match="no command nonsense"):
        parse(["nonsense"])
    with pytest.raises(pytest.fail.Exception, match="--nonsense"):
        parse(["info", "--nonsense"])
    parse(["encoder", "export", "x.tar"])


@EVERY_PAGE
def test_files_of_ours_that_blocks_name_exist(page: Path) -> None:
    """A path below a folder of this repository that a bash block names is there."""
    for block in blocks(page, "bash"):
        for path in re.findall(
            r"(?<![\w/.-])(?:/opt/fingerpost/)?((?:deploy|benchmarks|proto|scripts)/[\w./@-]+)", block
        ):
            made = path.startswith("proto/") and "*" in block
            assert made or (ROOT / path).exists(), f"{path} does not exist"


# --- Names --------------------------------------------------------------------------------------------------------

_COMMANDS = ("TARGET", "TOKEN", "CA", "CERTIFICATE", "KEY", "ENCODER", "PRECISION", "FAILPOINT")
_OF_COMMANDS = {f"FINGERPOST_{name}" for name in _COMMANDS}
KNOWN_SETTINGS = {f"FINGERPOST_{name.upper()}" for name in Settings.model_fields} | _OF_COMMANDS


@pytest.mark.parametrize(
    "file",
    [*PAGES, *(path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file() and path.suffix != ".md")],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_settings_and_findings_exist(file: Path) -> None:
    """Every setting and every finding code that a page or a deployment file names is one that the program has."""
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"FINGERPOST_[A-Z_]*[A-Z]", text)) - KNOWN_SETTINGS == set()
    assert set(re.findall(r"\bFP\d{3}\b", text)) - KINDS.keys() == set()


# --- The container -------------------------------------------------------------------------------------------------


def test_the_containerfile_keeps_its_promises() -> None:
    """Every copied file exists, the served stage has neither torch nor root, and it listens where it says."""
    text = (ROOT / "deploy/container/Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        assert [name for name in sources.split() if not (ROOT / name).exists()] == []
    *builders, served = re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]
    assert [".[server,build]" in stage for stage in builders] == [True, False]
    assert "pip install" not in served
    assert set(re.findall(r"--from=(\w+)", served)) == {"build", "packages"}
    assert "COPY --from=build --chown=10001:10001 /data /data" in served
    assert re.findall(r"^USER (.+)$", served, re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" not in text
    parse(re.findall(r'"([^"]+)"', served.partition("\nCMD ")[2]))


# --- Words --------------------------------------------------------------------------------------------------------

_FORBIDDEN = re.compile(
    r"(?<![\w&/])#\d+\b|\b(this|previous|earlier|later|next|working) sessions?\b|pypi\.org|npmjs\.org|deb\.debian\.org",
    re.IGNORECASE,
)


@EVERY_PAGE
def test_no_page_speaks_of_what_readers_lack(page: Path) -> None:
    """Neither numbers of issues nor the workplace nor hosts of package indexes stand in a page."""
    assert [match[0] for match in _FORBIDDEN.finditer(page.read_text(encoding="utf-8"))] == []


# --- Diagrams -----------------------------------------------------------------------------------------------------

_DIAGRAMS = ("flowchart", "graph", "sequenceDiagram", "stateDiagram", "classDiagram", "erDiagram", "gantt", "pie")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def test_diagrams_are_well_formed() -> None:
    """Each Mermaid block begins with a kind of diagram, its brackets match, and each subgraph ends."""
    diagrams = [block for page in PAGES for block in blocks(page, "mermaid")]
    assert diagrams
    for diagram in diagrams:
        assert diagram.split()[0] in _DIAGRAMS
        assert _brackets_match(re.sub(r'"[^"]*"', "", diagram)), diagram
        assert len(re.findall(r"^\s*subgraph\b", diagram, re.M)) == len(re.findall(r"^\s*end$", diagram, re.M))


def _brackets_match(text: str) -> bool:
    open_ones: list[str] = []
    for character in text:
        if character in _PAIRS.values():
            open_ones.append(character)
        elif character in _PAIRS and (not open_ones or open_ones.pop() != _PAIRS[character]):
            return False
    return not open_ones


# --- Faults --------------------------------------------------------------------------------------------------------


def test_the_tests_of_the_faults_exist() -> None:
    """Each fault on the page of faults names tests that there are."""
    page = (ROOT / "docs/reference/faults.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 25
    assert named - set(re.findall(r"^def (test_\w+)\(", written, re.MULTILINE)) == set()
