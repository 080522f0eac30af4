"""Edit: entries put into `_models.yaml` and values of entries changed, with every other character left as it is.

Pure, and proven like `build.edit.edit`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fingerpost.build.edit.splices import Splice, by_hand, spliced
from fingerpost.build.edit.yaml_lists import line_break, line_end, line_start, next_line
from fingerpost.build.findings import Findings, RouteFilesInvalid
from fingerpost.build.yaml_lines import parse
from fingerpost.build.yaml_scalars import written

Value = str | int | tuple[str, ...]
Entry = Mapping[str, Value]
"""Keys of `build.files.ModelEntry` and what stands under them."""

_KEY = "models"

# A new key stands behind the nearest of those before it that the entry has; every entry has a name.
_ORDER = (
    "name", "upstream_model", "input_price_usd_micros", "output_price_usd_micros", "cached_input_price_usd_micros",
    "context_window_tokens", "max_output_tokens", "capabilities",
)  # fmt: skip


def with_entries(file: str, content: str, entries: Sequence[Entry]) -> str:
    """The content with entries behind the last one.

    Args:
        file: The name for messages.
        content: Of a `_models.yaml` that `load` takes, so that it has an entry.
        entries: In their order, as are their keys.

    Raises:
        RouteFilesInvalid: the content is not YAML.
        InvalidRequest: it is written in a way that this edit would break.
    """
    before = _entries(file, content)
    listed = _listed(file, content)
    last = _end(content, listed.value[-1])
    if listed.flow_style:
        text = "".join(f", {_in_braces(entry)}" for entry in entries)
        return _proven(file, spliced(content, [Splice(last, last, text)]), [*before, *map(_plain, entries)])
    dash, between = _manner(content, listed)
    lines = [line for entry in entries for line in [*([""] if between else []), *_in_lines(entry, dash)]]
    end = _end_of_entry(content, last, len(dash))
    text = "".join(f"{line_break(content)}{line}" for line in lines)
    return _proven(file, spliced(content, [Splice(end, end, text)]), [*before, *map(_plain, entries)])


def with_values(file: str, content: str, changes: Mapping[int, Entry]) -> str:
    """The content with other values under keys of entries; a key that an entry has not gets a line of its own.

    Args:
        file: The name for messages.
        content: Of a `_models.yaml` that `load` takes.
        changes: The new values by the number of their entry, from 0.

    Raises:
        RouteFilesInvalid: the content is not YAML.
        InvalidRequest: it is written in a way that this edit would break.
    """
    before = _entries(file, content)
    nodes = _listed(file, content).value
    splices = [
        splice for number, values in changes.items() for splice in _Edited(file, content, nodes[number]).splices(values)
    ]
    after = [entry | _plain(changes.get(number, {})) for number, entry in enumerate(before)]
    return _proven(file, spliced(content, splices), after)


# --- Adding -------------------------------------------------------------------------------------------------------


def _manner(content: str, listed: yaml.SequenceNode) -> tuple[str, bool]:
    """What stands before the keys of an entry, such as `  - `, and whether entries have blank lines between them."""
    start, first = listed.start_mark.index, listed.value[0].start_mark.index
    behind = content[start:first] if content[start:first].strip(" ") == "-" else "- "
    dash = content[line_start(content, start) : start] + behind
    if len(listed.value) == 1:
        return dash, True
    end = _end(content, listed.value[-2])
    return dash, any(not line.strip() for line in content[end : listed.value[-1].start_mark.index].splitlines()[1:-1])


def _in_lines(entry: Entry, dash: str) -> list[str]:
    lines = [f"{key}: {_text(value)}" for key, value in entry.items()]
    return [f"{dash if number == 0 else ' ' * len(dash)}{line}" for number, line in enumerate(lines)]


def _in_braces(entry: Entry) -> str:
    return "{" + ", ".join(f"{key}: {_text(value, in_brackets=True)}" for key, value in entry.items()) + "}"


def _end_of_entry(content: str, last: int, indent: int) -> int:
    """Where the last line of an entry ends, with the comments below it that are as deep as its keys."""
    end = line_end(content, last)
    begin = next_line(content, end)
    while begin < len(content):
        line = content[begin : line_end(content, begin)]
        if not line.startswith(" " * indent) or not line.lstrip(" ").startswith("#"):
            break
        end = line_end(content, begin)
        begin = next_line(content, end)
    return end


# --- Changing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Edited:
    """An entry that gets other values."""

    file: str
    content: str
    node: yaml.MappingNode

    def splices(self, values: Entry) -> list[Splice]:
        return [*self._replaced(values), *self._new(values)]

    def _replaced(self, values: Entry) -> list[Splice]:
        pairs = self._pairs()
        return [self._put(pairs[key], value) for key, value in values.items() if key in pairs]

    def _put(self, node: yaml.Node, value: Value) -> Splice:
        start, end = node.start_mark.index, _end(self.content, node)
        old = self.content[start:end]
        if "#" in old:
            raise by_hand(self.file, "a list that would change has a comment in it")
        if isinstance(node, yaml.SequenceNode) and not node.flow_style and isinstance(value, tuple) and value:
            indent = " " * (start - line_start(self.content, start))
            between = f"{line_break(self.content)}{indent}"
            return Splice(start, end, between.join(f"- {written(text)}" for text in value))
        gap = "" if old else " "  # a key without a value ends with its colon
        return Splice(start, end, gap + _text(value, in_brackets=bool(self.node.flow_style)))

    def _new(self, values: Entry) -> list[Splice]:
        """One for each place, since several keys may come behind the same one."""
        pairs = self._pairs()
        behind: dict[str, list[str]] = {}
        for key in _ORDER:
            if key in values and key not in pairs:
                before = [name for name in _ORDER[: _ORDER.index(key)] if name in pairs]
                behind.setdefault(before[-1], []).append(key)
        return [self._lines(pairs[before], keys, values) for before, keys in behind.items()]

    def _lines(self, before: yaml.Node, keys: Sequence[str], values: Entry) -> Splice:
        end = _end(self.content, before)
        if self.node.flow_style:
            return Splice(end, end, "".join(f", {key}: {_text(values[key], in_brackets=True)}" for key in keys))
        end = line_end(self.content, end)
        start = self.node.start_mark.index
        indent = " " * (start - line_start(self.content, start))
        text = "".join(f"{line_break(self.content)}{indent}{key}: {_text(values[key])}" for key in keys)
        return Splice(end, end, text)

    def _pairs(self) -> dict[str, yaml.Node]:
        return {key.value: value for key, value in self.node.value}


# --- Reading ------------------------------------------------------------------------------------------------------


def _text(value: Value, *, in_brackets: bool = False) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(written(text, in_brackets=True) for text in value)}]"
    return str(value) if isinstance(value, int) else written(value, in_brackets=in_brackets)


def _listed(file: str, content: str) -> yaml.SequenceNode:
    """The list of entries, in a content that `_entries` took."""
    root = yaml.compose(content, Loader=yaml.CSafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    found = next((value for key, value in pairs if key.value == _KEY), None)
    if not isinstance(found, yaml.SequenceNode) or not found.value:
        raise by_hand(file, "it has no list of models")
    return found


def _end(content: str, node: yaml.Node) -> int:
    """Behind the last character of a value: where there are no brackets the parser tells a place further on."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(content, last[1] if isinstance(last, tuple) else last)
    start, end = node.start_mark.index, node.end_mark.index
    while end > start and content[end - 1] in " \t\r\n":
        end -= 1
    return int(end)


def _entries(file: str, content: str) -> list[dict[str, Any]]:
    """The entries as `load` reads them.

    Raises:
        RouteFilesInvalid
    """
    findings = Findings()
    document = parse(file, content, findings)
    if document is None:
        raise RouteFilesInvalid(findings.ordered())
    listed = document.value.get(_KEY) if isinstance(document.value, dict) else None
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise by_hand(file, "it has no list of models")
    return listed


def _plain(entry: Entry) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in entry.items()}


def _proven(file: str, new: str, expected: Sequence[Mapping[str, Any]]) -> str:
    try:
        held = _entries(file, new) == expected
    except RouteFilesInvalid:
        held = False
    if not held:
        raise by_hand(file, "the change would alter another value of this file, as it is indented")
    return new
