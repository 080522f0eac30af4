"""The command line as people meet it: what it prints, and the exit code for each kind of trouble."""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from fingerpost.client import Client
from tests.processes import ServerProcess, fingerpost, help_of
from tests.route_folders import ROUTE, write_folder

FREE_PORT = "127.0.0.1:1"  # nobody listens there


def test_route_shows_the_decision(starter: ServerProcess) -> None:
    """A routed text shows route, model, confidence and the routes considered."""
    out = fingerpost("route", "fix the bug in my python script", "--target", starter.address).stdout
    assert "MATCHED: route code, model coder" in out
    assert "confidence 0.9" in out or "confidence 1.0" in out


def test_route_as_json(starter: ServerProcess) -> None:
    """With --json the decision is one JSON object; with - the text comes from standard input."""
    out = fingerpost("route", "fix the bug in my python script", "--json", "--target", starter.address).stdout
    assert json.loads(out)["route"] == "code"
    piped = fingerpost("route", "-", "--json", "--target", starter.address, lines="fix the bug in my python script")
    assert json.loads(piped.stdout)["route"] == "code"


def test_explain_and_info(starter: ServerProcess) -> None:
    """Explain shows neighbours and features; info shows the catalog, its encoder and the limits."""
    out = fingerpost("explain", "fix the bug in my python script", "--target", starter.address).stdout
    assert "Route code" in out
    assert "agreement" in out
    facts = fingerpost("info", "--target", starter.address).stdout
    assert "minilm" in facts
    assert "1,048,576" in facts
    assert json.loads(fingerpost("info", "--json", "--target", starter.address).stdout)["catalogs"][0]["routes"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["route", "x", "--target", FREE_PORT], 4, "connect"),
        (["route"], 2, "route"),
        (["nonsense"], 2, "nonsense"),
        (["reindex", "--catalog", "../up"], 7, "catalog"),
        (["reindex", "--precision", "int4"], 7, "int8 or fp32"),
        (["reindex", "--encoder", "no such thing"], 7, "no encoder"),
        (["serve", "--listen", "nowhere"], 7, "HOST:PORT"),
        (["serve", "--embed-threads", "0"], 7, "embed_threads"),
        (["evaluate", "no.jsonl", "--baseline", "coin"], 7, "semantic-router"),
        (["thresholds"], 7, "reindex first"),
        (["thresholds", "--catalog", "../up"], 7, "catalog"),
        (["import", "no.jsonl", "--out", "o"], 3, "no.jsonl"),
        (["import", "no.jsonl", "--out", "o", "--format", "odd"], 7, "labelled-jsonl"),
    ],
)
def test_trouble_has_its_code_and_says_what_to_do(
    tmp_path: Path, encoders_folder: Path, arguments: list[str], code: int, words: str
) -> None:
    """Each kind of trouble has its exit code and a message without a stack trace."""
    environment = {"FINGERPOST_DATA": str(tmp_path)}
    if arguments[0] in {"reindex", "serve"}:
        environment |= {"FINGERPOST_EMBED_THREADS": "1"} if "--embed-threads" not in arguments else {}
    done = fingerpost(*arguments, code=code, **environment)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refused_text(starter: ServerProcess) -> None:
    """A text that the server refuses is exit code 7 and one line."""
    done = fingerpost("route", " ", "--target", starter.address, code=7)
    assert done.stderr == "fingerpost: text: the text has no readable character\n"


def test_an_unknown_setting(tmp_path: Path) -> None:
    """A misspelt FINGERPOST_ variable is refused by name instead of ignored."""
    done = fingerpost("serve", "--data", tmp_path, code=7, FINGERPOST_EMBED_THREAD="2")
    assert "FINGERPOST_EMBED_THREAD" in done.stderr


def test_reindex_twice_changes_nothing_and_needs_no_torch(data: Path) -> None:
    """The same files give the same revision; with the encoder built, torch and its family are never imported."""
    code = """
import sys
from fingerpost.__main__ import main
sys.argv = ["fingerpost", "reindex", "--routes", "routes", "--data", sys.argv[1]]
try:
    main()
finally:
    loaded = {"torch", "transformers", "sentence_transformers", "semantic_router", "sklearn"} & set(sys.modules)
    print("loaded:", sorted(loaded))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True, timeout=60, cwd=root
    )
    assert "already serves revision" in done.stdout
    assert "(generation 1)" in done.stdout
    assert "loaded: []" in done.stdout


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_revision(data: Path, threads: int) -> None:
    """The same files give the same digest however the arithmetic is split over threads."""
    done = fingerpost("reindex", "--routes", "routes", "--data", data, OPENBLAS_NUM_THREADS=str(threads))
    assert "already serves" in done.stdout


def test_reindex_writes_its_report(data: Path, tmp_path: Path) -> None:
    """--json writes what was published and how the held-out texts fared."""
    report = tmp_path / "report.json"
    fingerpost("reindex", "--routes", "routes", "--data", data, "--json", report)
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["activation"]["generation"] == 1
    assert written["report"]["cases"] > 100
    assert {route["route"] for route in written["report"]["routes"]} >= {"code", "maths"}


def test_evaluate_measures_labelled_cases(data: Path, tmp_path: Path) -> None:
    """Labelled cases are decided by the active revision; each metric has its interval, each mistake its neighbours."""
    rows = [
        {"text": "fix the bug in my python script", "label": "code", "extra": 1},
        {"text": "write a haiku about rain", "label": "writing"},
        {"text": "translate good morning into Italian", "label": "chitchat"},
        {"text": "qwzx vbnm", "label": "oos"},
    ]
    cases, report = tmp_path / "cases.jsonl", tmp_path / "report.json"
    cases.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shown = fingerpost("evaluate", cases, "--data", data, "--json", report).stdout
    assert "top1_accuracy" in shown
    assert "went to translate" in shown
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["top1_accuracy"]["value"] == pytest.approx(2 / 3)
    assert written["oos_recall"] == {"value": 1.0, "low": pytest.approx(0.2065, abs=1e-4), "high": 1.0}  # of one case
    assert written["confusions"] == [{"expected": "chitchat", "best": "translate", "count": 1}]
    [mistake] = written["mistakes"]
    assert (mistake["expected"], mistake["decided"], mistake["line"]) == ("chitchat", "translate", 3)
    assert mistake["nearest"][0]["route"] == "translate"
    cases.write_text('{"text": "x"}', encoding="utf-8")
    assert "cases.jsonl:1" in fingerpost("evaluate", cases, "--data", data, code=3).stderr
    cases.write_text('{"text": "x", "label": "y"}', encoding="utf-8")
    assert "reindex first" in fingerpost("evaluate", cases, "--data", tmp_path / "none", code=7).stderr


def test_evaluate_beside_semantic_router(data: Path, tmp_path: Path) -> None:
    """The baseline decides the same cases in a second column and in the JSON; ours stay what they are without it."""
    rows = [{"text": "fix the bug in my python script", "label": "code"}, {"text": "qwzx vbnm", "label": "oos"}]
    cases, report = tmp_path / "cases.jsonl", tmp_path / "report.json"
    cases.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    alone = fingerpost("evaluate", cases, "--data", data, "--json", report)
    ours = json.loads(report.read_text(encoding="utf-8"))
    done = fingerpost("evaluate", cases, "--data", data, "--json", report, "--baseline", "semantic-router")
    both = json.loads(report.read_text(encoding="utf-8"))
    baseline = both.pop("baseline")
    assert baseline["name"] == "semantic-router"
    assert baseline["metrics"]["top1_accuracy"]["value"] == 1.0
    assert baseline["metrics"]["oos_recall"]["value"] == 0.0
    assert baseline["metrics"]["brier"]["value"] is None
    assert ours.pop("baseline") is None
    assert both == ours
    assert re.search(r"^oos_recall +1\.000 .* 0\.000 +0\.000 to 0\.793", done.stdout, re.MULTILINE)
    assert "semantic-router" not in alone.stdout
    assert done.stderr == ""
    fingerpost("evaluate", cases, "--data", data, "--json", report, "--baseline", "nearest-mean")
    aggregated = json.loads(report.read_text(encoding="utf-8"))["baseline"]
    assert aggregated.pop("name") == "nearest-mean"
    assert aggregated == {"metrics": baseline["metrics"]}


def test_thresholds_show_the_curve(published: Path) -> None:
    """The promise comes first, as reindex tells it, then a row for each point with the one in force marked."""
    promise, header, *rows = fingerpost("thresholds", "--data", published).stdout.splitlines()
    assert re.match(r"Threshold 0\.\d{4} (keeps|aims at) a precision of 95%", promise)
    assert header.split() == ["threshold", "coverage", "precision", "at", "least"]
    assert len(rows) > 20
    threshold = promise.split()[1]
    assert [row.partition("in force: ")[2] for row in rows if "in force" in row] == [threshold]


def test_thresholds_as_json(published: Path) -> None:
    """The JSON is one object however narrow the terminal is, and its curve goes from strict to lax."""
    printed = json.loads(fingerpost("thresholds", "--data", published, "--json", COLUMNS="20").stdout)
    curve = printed["held_out"]["curve"]
    assert [p["threshold"] for p in curve] == sorted((p["threshold"] for p in curve), reverse=True)
    assert [p["coverage"] for p in curve] == sorted(p["coverage"] for p in curve)
    assert all(p["precision_bound"] <= p["precision"] for p in curve)
    assert printed["held_out"]["promise"]["threshold"] == printed["threshold"]
    assert printed["routes"]["code"] == {"threshold": printed["threshold"], "given": False, "promise": None}


def test_thresholds_as_a_plot(published: Path, tmp_path: Path) -> None:
    """A plot is written beside the table; other endings and folders that are not there have their exit codes."""
    plot = tmp_path / "thresholds.svg"
    done = fingerpost("thresholds", "--data", published, "--plot", plot)
    assert "in force" in done.stdout
    assert "<svg" in plot.read_text(encoding="utf-8")
    refused = fingerpost("thresholds", "--data", published, "--plot", tmp_path / "t.pdf", code=7)
    assert refused.stderr == "fingerpost: a plot is .svg or .png, not t.pdf\n"
    lost = fingerpost("thresholds", "--data", published, "--plot", tmp_path / "no" / "t.png", code=6)
    assert lost.stderr == f"fingerpost: {tmp_path / 'no' / 't.png'}: No such file or directory\n"


def test_thresholds_of_a_small_catalog(data: Path, tmp_path: Path) -> None:
    """A catalog too small for a curve says so, with null in JSON and no plot; a given threshold is told anyway."""
    route = "model: coder\nmin_confidence: 0.9\nutterances: [fix my code]\n"
    small = write_folder(tmp_path / "small", {"code.yaml": route})
    fingerpost("reindex", "--routes", small, "--data", data, "--catalog", "small")
    arguments = ("thresholds", "--data", data, "--catalog", "small")
    shown = fingerpost(*arguments).stdout
    assert "too few utterances" in shown
    assert "Route code: Threshold 0.9000 is given in its file." in shown
    assert json.loads(fingerpost(*arguments, "--json").stdout)["held_out"] is None
    assert "too few utterances" in fingerpost(*arguments, "--plot", tmp_path / "t.svg", code=7).stderr
    assert not (tmp_path / "t.svg").exists()


def test_bad_route_files_publish_nothing(data: Path, routes: Path) -> None:
    """Every finding is told with file, line and code; the old revision stays active."""
    before = (data / "catalogs" / "default.json").read_text()
    with (routes / "code.yaml").open("a", encoding="utf-8") as file:
        file.write("colour: blue\n")
    (routes / "maths.yaml").write_text("name: maths\nmodel: nobody\nutterances: [a, &x b, *x]\n", encoding="utf-8")
    done = fingerpost("reindex", "--routes", routes, "--data", data, code=3)
    assert "code.yaml:" in done.stderr
    assert "maths.yaml:3" in done.stderr
    assert "FP113" in done.stderr
    assert "FP201" in done.stderr
    assert (data / "catalogs" / "default.json").read_text() == before


def test_a_full_disk_keeps_what_is_published(data: Path, routes: Path) -> None:
    """When there is no room for the new revision the old pointer stays, and the message says so."""
    before = (data / "catalogs" / "default.json").read_text()
    (routes / "maths.yaml").unlink()
    # Limited in the new process itself: between fork and exec gRPC, which this one has loaded, may abort.
    little_room = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
        "os.execv(sys.executable, [sys.executable, '-m', 'fingerpost', *sys.argv[1:]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", little_room, "reindex", "--routes", str(routes), "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 6, done.stderr
    assert "no room" in done.stderr
    assert (data / "catalogs" / "default.json").read_text() == before
    fingerpost("reindex", "--routes", routes, "--data", data)


def test_a_folder_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    """A path that cannot be used is exit code 6 and one line with the path."""
    (tmp_path / "file").touch()
    done = fingerpost("reindex", "--routes", "routes", "--data", tmp_path / "file" / "data", code=6)
    assert str(tmp_path / "file") in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = fingerpost("reindex", "--routes", "routes", "--data", data, "--json", tmp_path / "no" / "r.json", code=6)
    assert "r.json" in done.stderr


def test_adding_one_utterance_embeds_one_text(data: Path, routes: Path) -> None:
    """Vectors are remembered by text: after one more utterance only that text is embedded."""
    fingerpost("reindex", "--routes", routes, "--data", data)
    path = routes / "code.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("utterances:\n", "utterances:\n  - wholly new words here\n", 1), encoding="utf-8")
    rows = (
        "import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute('select count(*) from vectors').fetchone()[0])"
    )

    def remembered() -> int:
        command = [sys.executable, "-c", rows, str(data / "vectors.sqlite")]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    before = remembered()
    fingerpost("reindex", "--routes", routes, "--data", data)
    assert remembered() == before + 1


def test_import_reindex_serve_route(tmp_path: Path, encoders_folder: Path) -> None:
    """Labelled texts become a catalog: `oos` is out of scope, each other label a route with a model of its own."""
    rows = [
        {"text": f"{verb} {thing}", "label": label, "extra": 1}
        for label, verb in (("pay_bill", "pay my"), ("oos", "sing about"), ("card lost?", "block the stolen"))
        for thing in ("invoice", "credit card", "water bill", "phone contract", "rent")
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    fingerpost("import", source, "--format", "labelled-jsonl", "--out", tmp_path / "routes")
    assert "fallback_model: fallback" in (tmp_path / "routes" / "_policy.yaml").read_text()
    assert "sing about rent" in (tmp_path / "routes" / "_out_of_scope.yaml").read_text()
    data = tmp_path / "data"
    shutil.copytree(encoders_folder, data / "encoders")
    fingerpost("reindex", "--routes", tmp_path / "routes", "--data", data)
    with ServerProcess(data) as server, Client(server.address, timeout_seconds=30) as client:
        decision = client.route("pay my water bill")
        assert (decision.route, decision.model) == ("pay_bill", "pay_bill")
        assert client.route("an unrelated sentence about dolphins").model == "fallback"


def test_import_refuses_bad_rows_and_full_folders(tmp_path: Path) -> None:
    """Rows that are no labelled texts are all told by line, and an existing folder is never written over."""
    source = tmp_path / "rows.jsonl"
    source.write_text('{"text": "a", "label": "x"}\n{"text": 5, "label": "x"}\nnot json\n', encoding="utf-8")
    done = fingerpost("import", source, "--out", tmp_path / "routes", code=3)
    assert "rows.jsonl:2" in done.stderr
    assert "rows.jsonl:3" in done.stderr
    assert not (tmp_path / "routes").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    source.write_text('{"text": "a", "label": "x"}\n', encoding="utf-8")
    fingerpost("import", source, "--out", tmp_path / "full", code=7)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["file"]


def test_every_command_has_help_with_an_example() -> None:
    """--help of each command shows an example that starts with the program's name."""
    for command in (
        "reindex",
        "evaluate",
        "thresholds",
        "serve",
        "route",
        "explain",
        "info",
        "import",
        "export",
        "try",
        "encoder export",
        "encoder import",
    ):
        assert f"fingerpost {command}" in help_of(*command.split())


def test_the_base_install_says_what_is_missing(tmp_path: Path) -> None:
    """Where only the client is installed, the command names the extra that it needs."""
    hidden = "import sys; sys.modules['typer'] = None; from fingerpost.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "fingerpost: the command needs the server extra: pip install 'fingerpost[server]'\n"


def test_no_bar_when_nobody_looks(data: Path) -> None:
    """Without a terminal, progress bars and colours stay out of the output."""
    done = fingerpost("reindex", "--routes", "routes", "--data", data, TERM="xterm")
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_a_bar_for_people(data: Path) -> None:
    """On a terminal each step of a reindex has its line with the time that it took."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        command = [sys.executable, "-m", "fingerpost", "reindex", "--routes", "routes", "--data", str(data)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal's end is an error on Linux
            while chunk := screen.read(4096):
                shown += chunk
        assert process.wait(60) == 0
    for step in (b"vectorise", b"index", b"fit", b"evaluate", b"publish", b"activate"):
        assert step in shown


def test_try_routes_line_after_line(starter: ServerProcess, published: Path) -> None:
    """Each line is answered with route, bar and nearest utterances, from a server or from the data folder alike."""
    lines = "fix the bug in my python script\n\nqwzx vbnm\n"
    shown = []
    for place in (["--target", starter.address], ["--data", str(published)]):
        done = fingerpost("try", *place, lines=lines)
        shown.append(done.stdout)
        assert done.stderr == ""
    assert shown[0] == shown[1]
    assert "code -> model coder" in shown[0]
    assert "fallback -> model large" in shown[0]
    assert "█" in shown[0]
    assert "(needs " in shown[0]


def test_an_exported_encoder_serves_elsewhere(data: Path, tmp_path: Path) -> None:
    """An encoder that was exported and imported gives the same revision; a changed archive stores nothing."""
    archive, there = tmp_path / "minilm.tar", tmp_path / "there"
    fingerpost("encoder", "export", archive, "--data", data)
    fingerpost("encoder", "import", archive, "--data", there)
    small = write_folder(tmp_path / "small", {"code.yaml": ROUTE})
    revisions = set()
    for place in (data, there):
        fingerpost("reindex", "--routes", small, "--data", place, "--catalog", "small")
        revisions.add(json.loads((place / "catalogs" / "small.json").read_text())["revision"])
    assert len(revisions) == 1

    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    fingerpost("encoder", "import", archive, "--data", tmp_path / "nowhere", code=6)
    archive.write_bytes(content[:-100_000])
    fingerpost("encoder", "import", archive, "--data", tmp_path / "nowhere", code=7)
    assert not list((tmp_path / "nowhere").glob("encoders/*"))
    fingerpost("encoder", "export", archive, "--data", tmp_path / "nowhere", code=7)


@pytest.mark.parametrize("name", ["../up.json", "/etc/passwd", "a/b"])
def test_an_archive_cannot_name_a_place(tmp_path: Path, name: str) -> None:
    """An archive whose members point elsewhere, or are links, is refused whole."""
    for kind in (tarfile.REGTYPE, tarfile.SYMTYPE):
        archive = tmp_path / "odd.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(name if kind == tarfile.REGTYPE else "encoder.json")
            member.type = kind
            member.linkname = name
            tar.addfile(member)
        done = fingerpost("encoder", "import", archive, "--data", tmp_path / "data", code=7)
        assert "no exported encoder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["odd.tar"]
