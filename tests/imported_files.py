"""Files of other programs for tests: what they become, and what is found in them."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.imports.formats import ImportReport, import_file
from fingerpost.build.load import load
from fingerpost.types import Catalog, Finding

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def imported(folder: Path, name: str, content: str | bytes, form: str = "auto") -> tuple[Catalog, ImportReport]:
    """The catalog that a file becomes, and the report of it."""
    report = import_file(put(folder, name, content), folder / "out", form)
    return load(folder / "out").catalog, report


def refused(folder: Path, name: str, content: str | bytes, form: str = "auto") -> Sequence[Finding]:
    """What an import that is refused finds; nothing may be left behind."""
    source = put(folder, name, content)
    with pytest.raises(RouteFilesInvalid) as caught:
        import_file(source, folder / "out", form)
    assert [path.name for path in folder.iterdir()] == [name]
    return caught.value.findings


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def codes(found: Sequence[Finding]) -> list[tuple[str, int]]:
    """Code and line of each."""
    return [(finding.code, finding.line) for finding in found]


def texts(catalog: Catalog) -> dict[str, list[str]]:
    """The utterances of each route."""
    return {route.name: [text.text for text in route.utterances] for route in catalog.routes}


def zero(*routes: object, **top: object) -> str:
    """A 0.x router file as JSON."""
    return json.dumps({"encoder_type": "huggingface", "encoder_name": MINILM, "routes": routes, **top}, indent=1)


def one(*routes: object, **top: object) -> str:
    """A 1.x router file as JSON."""
    encoder = {"type": "local", "name": MINILM}
    return json.dumps({"router_type": "indexed", "encoder": encoder, "routes": routes, **top}, indent=1)
