"""Price lists for tests, in the shapes of OpenRouter's and of LiteLLM's, and what importing one does."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.imports.models import ModelsReport, Wish, import_models
from fingerpost.errors import FingerpostError
from fingerpost.types import Finding

PRICING = {"prompt": "0.00000015", "completion": "0.0000006"}
COSTS = {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07}


def routed(identity: str, /, **values: object) -> dict[str, object]:
    """A model as OpenRouter lists it."""
    return {"id": identity, "context_length": 128000, "pricing": PRICING, **values}


def openrouter(*models: Mapping[str, object]) -> str:
    """A list of OpenRouter."""
    return json.dumps({"data": models}, indent=1)


def lite(**values: object) -> dict[str, object]:
    """A model as LiteLLM lists it."""
    return {"litellm_provider": "example", "mode": "chat", "max_input_tokens": 128000, **COSTS, **values}


def litellm(**models: Mapping[str, object]) -> str:
    """A price file of LiteLLM, with the entry that explains it."""
    return json.dumps({"sample_spec": {"mode": "one of: chat", "max_tokens": "a number"}, **models}, indent=1)


def taken(folder: Path, content: str, wish: Wish | None = None) -> ModelsReport:
    """Import a list into a route folder that lies beside it."""
    source = folder.parent / "list.json"
    source.write_text(content, encoding="utf-8")
    return import_models(source, folder, wish or Wish())


def refusal(folder: Path, content: str, wish: Wish | None = None) -> FingerpostError:
    """Why it is refused; the folder stays as it is, byte for byte."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FingerpostError) as caught:
        taken(folder, content, wish)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return caught.value


def faults(folder: Path, content: str, wish: Wish | None = None) -> list[tuple[str, int]]:
    """Code and line of what is found when it is refused."""
    error = refusal(folder, content, wish)
    assert isinstance(error, RouteFilesInvalid)
    return [(finding.code, finding.line) for finding in error.findings]


def messages(found: tuple[Finding, ...]) -> list[str]:
    """Code and message of each."""
    return [f"{finding.code} {finding.message}" for finding in found]
