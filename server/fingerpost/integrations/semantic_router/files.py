"""Router files of semantic-router from Python, as `fingerpost import` and `export` do it; the library is not needed."""

from pathlib import Path

from fingerpost.build.exports import semantic_router as exports
from fingerpost.build.exports.semantic_router import ExportReport
from fingerpost.build.imports.formats import ImportReport, import_file


def read_router_file(file: Path, routes: Path) -> ImportReport:
    """Make a route folder of a router file of 0.x or 1.x; nothing that the file names is imported.

    Args:
        file: YAML or JSON.
        routes: A folder that is empty or does not exist; it appears whole or not at all.

    Returns:
        What was written, with a finding for each thing that has no equal.

    Raises:
        RouteFilesInvalid: with every finding; nothing was written.
        InvalidRequest: `routes` is not empty.
    """
    return import_file(file, routes, "semantic-router")


def write_router_file(routes: Path, file: Path, *, version: int = 1, encoder: str | None = None) -> ExportReport:
    """Write a route folder as a router file.

    Args:
        routes: The route folder.
        file: A new file; its ending says whether it is YAML or JSON.
        version: 0 or 1: which line of semantic-router is to load it.
        encoder: `TYPE` or `TYPE:NAME` as semantic-router calls them; by default the model of Fingerpost's encoder.

    Returns:
        What was written, and what the file has no place for.

    Raises:
        RouteFilesInvalid: the folder has errors.
        InvalidRequest: the version, encoder or ending is unknown, or `file` exists.
    """
    return exports.export_file(routes, f"semantic-router-{version}", file, encoder)
