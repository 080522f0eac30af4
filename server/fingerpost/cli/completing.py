"""What the shell offers for a value: names of routes, models and catalogs, read from the folders at hand.

A folder that is not there, or a file that cannot be read, offers nothing: a completion has nowhere to show an error.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from typer import Context

_ENDINGS = {".yaml", ".yml"}
_MAX_BYTES = 4 * 1024 * 1024  # what `load` takes


def complete_route(context: Context, incomplete: str) -> list[str]:
    """Routes of the folder that the command will use, and the texts that belong to none."""
    from fingerpost.build.edit.survey import OUT_OF_SCOPE_NAME

    names = sorted(set(_route_names(_folder(context, "routes"))))
    return [name for name in [*names, OUT_OF_SCOPE_NAME] if name.startswith(incomplete)]


def complete_model(context: Context, incomplete: str) -> list[str]:
    """Models of the folder's `_models.yaml`."""
    models = _value_of(_folder(context, "routes") / "_models.yaml").get("models")
    entries = models if isinstance(models, list) else []
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    return sorted(name for name in names if isinstance(name, str) and name.startswith(incomplete))


def complete_catalog(context: Context, incomplete: str) -> list[str]:
    """Catalogs that the data folder has published."""
    catalogs = _folder(context, "data", os.environ.get("FINGERPOST_DATA")) / "catalogs"
    return sorted(path.stem for path in catalogs.glob("*.json") if path.stem.startswith(incomplete))


def _folder(context: Context, option: str, otherwise: str | None = None) -> Path:
    """The option's value as far as it stands before the cursor, else its default."""
    return Path(context.params.get(option) or otherwise or option)


def _route_names(folder: Path) -> Iterator[str]:
    for path in folder.glob("*"):
        if path.suffix.lower() in _ENDINGS and not path.name.startswith(("_", ".")):
            name = _value_of(path).get("name")
            yield name if isinstance(name, str) else path.stem


def _value_of(path: Path) -> dict[str, object]:
    """The keys of a YAML file; none when it is not one."""
    from fingerpost.build.findings import Findings
    from fingerpost.build.source import read_source
    from fingerpost.build.yaml_lines import parse

    findings = Findings()
    text = read_source(path, _MAX_BYTES, findings)
    document = None if text is None else parse(path.name, text, findings)
    return document.value if document is not None and isinstance(document.value, dict) else {}
