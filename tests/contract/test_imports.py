"""What importing costs, proven in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = ["numpy", "faiss", "onnxruntime", "tokenizers", "pydantic", "typer", "rich", "yaml", "structlog"]
_BUILD_ONLY = ["torch", "transformers", "sentence_transformers", "sklearn", "scipy", "onnx", "semantic_router"]


def loaded_after(code: str) -> set[str]:
    """Top-level modules that are loaded once `code` has run in a new interpreter."""
    script = f"{code}\nimport sys, json; print(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_client_is_light() -> None:
    """Importing the client loads neither numpy nor any engine."""
    loaded = loaded_after("import fingerpost.client")
    assert "grpc" in loaded
    assert loaded.isdisjoint([*_HEAVY, *_BUILD_ONLY])


def test_the_server_needs_no_encoder_and_nothing_of_the_build() -> None:
    """What answers calls loads no engine of vectors, no database, and nothing that only builds."""
    loaded = loaded_after("import fingerpost.bootstrap.serving, fingerpost.cli, fingerpost.rpc.server")
    assert loaded.isdisjoint(["sqlalchemy", "alembic", "psycopg", "faiss", "onnxruntime", "tokenizers", *_BUILD_ONLY])


def test_a_ledger_of_one_machine_needs_no_driver(tmp_path: Path) -> None:
    """Opening the ledger of a data folder loads nothing of PostgreSQL, and nothing that migrates once that is done."""
    code = f"""
from pathlib import Path
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import read_audit
read_audit(DataFolder(Path({str(tmp_path)!r})))
"""
    loaded_after(code)
    loaded = loaded_after(code)
    assert "sqlalchemy" in loaded
    assert loaded.isdisjoint(["psycopg", "alembic"])


def test_the_engine_needs_no_grpc_and_nothing_of_the_build() -> None:
    """What embeds and searches loads the engines, but no torch, transformers, scikit-learn, semantic-router or gRPC."""
    loaded = loaded_after("import fingerpost.bootstrap.engine")
    assert {"faiss", "onnxruntime"} <= loaded
    assert loaded.isdisjoint(["grpc", "google", "prometheus_client", *_BUILD_ONLY])


def test_editing_needs_no_engine() -> None:
    """What edits route files, watches them and completes names loads no engine and nothing that builds encoders."""
    loaded = loaded_after(
        "import fingerpost.build.edit.editor, fingerpost.cli, fingerpost.cli.edit, fingerpost.cli.watching"
    )
    assert "yaml" in loaded
    assert loaded.isdisjoint(["grpc", "faiss", "onnxruntime", "tokenizers", *_BUILD_ONLY])


@pytest.mark.parametrize("module", ["fingerpost", "fingerpost.errors", "fingerpost.types"])
def test_the_package_itself_is_light(module: str) -> None:
    """The package, its errors and its types load no engine."""
    assert loaded_after(f"import {module}").isdisjoint(["grpc", "faiss", "onnxruntime", "torch", "pydantic"])


def test_importing_everything_does_nothing() -> None:
    """Importing the whole package starts no thread, opens no socket and writes no file."""
    code = """
import sys, threading
deeds = []
def hook(event, arguments):
    if event.startswith("socket.") or event in {"os.mkdir", "os.rename", "subprocess.Popen"}:
        deeds.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        deeds.append(f"{event} {arguments[0]}")
sys.dont_write_bytecode = True
import grpc, numpy, faiss, onnxruntime, tokenizers, pydantic, typer, rich.progress, grpc_health.v1.health, grpc_status
sys.addaudithook(hook)
before = threading.active_count()
import fingerpost.bootstrap.serving, fingerpost.bootstrap.engine, fingerpost.bootstrap.building
import fingerpost.cli, fingerpost.client, fingerpost.build.imports.formats, fingerpost.build.exports.semantic_router
assert threading.active_count() == before
assert not deeds, deeds
"""
    loaded_after(code)
