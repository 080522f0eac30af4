"""Reads what programs write of routes as JSON or YAML, with lines; the content tells which of both it is."""

from pathlib import PurePath

import yaml

from fingerpost.build.finding_codes import FILE_LARGE
from fingerpost.build.findings import Findings, Place
from fingerpost.build.json_lines import parse_json
from fingerpost.build.yaml_lines import Document, parse
from fingerpost.build.yaml_scalars import Scalar, resolve

MAX_YAML_CHARACTERS = 16 * 1024 * 1024

_YAML_ENDINGS = {".yaml", ".yml"}


def read_document(file: str, content: str, findings: Findings) -> Document | None:
    """The document; None, and findings, when anything is wrong with it."""
    ending = PurePath(file).suffix.lower()
    begins_as_json = content.lstrip()[:1] in {"{", "["}
    if ending == ".json" or (begins_as_json and ending not in _YAML_ENDINGS):
        return parse_json(file, content, findings)
    if begins_as_json and (document := parse_json(file, content, Findings())) is not None:
        return document  # JSON under another name: YAML reads most of it, but not the tabs and the escapes
    if len(content) > MAX_YAML_CHARACTERS:
        message = f"{file} is larger than {MAX_YAML_CHARACTERS >> 20} MiB: save it as JSON, or split it"
        findings.add(FILE_LARGE, Place(file), message)
        return None
    return parse(file, content, findings, _resolve)


def _resolve(text: str) -> Scalar:
    """What an unquoted scalar means to both YAML 1.1 and 1.2; where they differ it is the text that stands there.

    Python's writers follow 1.1 and leave `1e5` and `0089` without quotes, which 1.2 takes for numbers; people write
    `no` and `12:30`, which 1.1 takes for something else.
    """
    value = resolve(text)
    return text if isinstance(value, int | float) and _is_text_in_1_1(text) else value


def _is_text_in_1_1(text: str) -> bool:
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    candidates = [*resolvers.get(text[:1], []), *resolvers.get(None, [])]
    return not any(pattern.match(text) for _, pattern in candidates)
