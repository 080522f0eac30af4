"""Edit: texts put into the lists of a YAML route file and taken out, with every other character left as it is.

Pure: content in, content out. Each edit is proven before it is given back: the new content is read, and must hold what
the old one held with exactly that change.
"""

import re
from collections.abc import Collection, Iterator, Sequence

from fingerpost.build.edit.splices import Splice, by_hand, spliced
from fingerpost.build.edit.yaml_lists import (
    KeyedList,
    Layout,
    Span,
    dash_of,
    layout_of,
    line_break,
    line_end,
    line_start,
    next_line,
)
from fingerpost.build.findings import Findings, RouteFilesInvalid
from fingerpost.build.texts import normalised
from fingerpost.build.yaml_lines import parse
from fingerpost.build.yaml_scalars import written

_INDENT = "  "  # of a list in a file that has no other

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")  # what may stand between an item in brackets and its comma
_BLANKS = re.compile(r"[ \t]*")


def added(file: str, content: str, key: str, texts: Sequence[str]) -> str:
    """The content with texts at the end of the list under a key, which is made where it is missing.

    Args:
        file: The name for messages.
        content: YAML that `load` takes.
        key: `utterances` or `tests`.
        texts: In their order.

    Raises:
        RouteFilesInvalid: the content is not YAML.
        InvalidRequest: it is written in a way that this edit would break.
    """
    before = _lists(file, content)
    new = spliced(content, _addition(file, content, key, texts))
    _prove(file, new, before | {key: [*before.get(key, []), *texts]})
    return new


def removed(file: str, content: str, key: str, texts: Collection[str]) -> str:
    """The content without the items of the list under a key that are the same as one of the texts.

    Raises:
        RouteFilesInvalid: the content is not YAML.
        InvalidRequest: it is written in a way that this edit would break.
    """
    before = _lists(file, content)
    unwanted = {normalised(text) for text in texts}
    items = before.get(key, [])
    numbers = [number for number, item in enumerate(items) if normalised(item) in unwanted]
    if not numbers:
        return content
    listed = layout_of(content).lists[key]
    removal = _out_of_brackets if listed.in_brackets else _out_of_lines
    new = spliced(content, removal(file, content, listed, numbers))
    _prove(file, new, before | {key: [item for number, item in enumerate(items) if number not in set(numbers)]})
    return new


def list_of(key: str, texts: Sequence[str]) -> str:
    """A key and its list, for a new file."""
    items = "".join(f"{_INDENT}- {written(text)}\n" for text in texts)
    return f"{key}:\n{items}" if items else f"{key}: []\n"


# --- Adding -------------------------------------------------------------------------------------------------------


def _addition(file: str, content: str, key: str, texts: Sequence[str]) -> list[Splice]:
    layout = layout_of(content)
    listed = layout.lists.get(key)
    if listed is None:
        if layout.in_braces:
            raise by_hand(file, f"it is one mapping in braces and has no key {key}")
        return [_insert_lines(content, layout.end, [f"{key}:", *_item_lines(_indent(content, layout), texts)])]
    if not listed.in_brackets:
        return [_insert_lines(content, listed.items[-1].end, _item_lines(_indent_of(content, listed), texts))]
    if listed.items or layout.in_braces or _spans_lines(content, listed):
        return [_into_brackets(listed, texts)]
    return [
        Splice(listed.colon_end, listed.closing),  # the empty brackets become lines
        _insert_lines(content, listed.closing, _item_lines(_indent(content, layout), texts)),
    ]


def _insert_lines(content: str, position: int, lines: Sequence[str]) -> Splice:
    """Behind the line of the position, and in a way that a last line without a line break stays one."""
    end = line_end(content, position)
    new = line_break(content)
    return Splice(end, end, "".join(f"{new}{line}" for line in lines))


def _item_lines(indent: str, texts: Sequence[str]) -> list[str]:
    return [f"{indent}- {written(text)}" for text in texts]


def _into_brackets(listed: KeyedList, texts: Sequence[str]) -> Splice:
    items = ", ".join(written(text, in_brackets=True) for text in texts)
    if not listed.items:
        return Splice(listed.opening + 1, listed.opening + 1, items)
    end = listed.items[-1].end
    return Splice(end, end, f", {items}")


def _spans_lines(content: str, listed: KeyedList) -> bool:
    return line_end(content, listed.colon_end) < listed.closing


def _indent(content: str, layout: Layout) -> str:
    """That of the file's other lists, else the usual one."""
    in_lines = [listed for listed in layout.lists.values() if not listed.in_brackets]
    return _indent_of(content, in_lines[0]) if in_lines else _INDENT


def _indent_of(content: str, listed: KeyedList) -> str:
    return content[line_start(content, listed.opening) : listed.opening]


# --- Removing -----------------------------------------------------------------------------------------------------


def _out_of_lines(file: str, content: str, listed: KeyedList, numbers: Sequence[int]) -> list[Splice]:
    """Whole lines, each with the comment at its end; a list without items left becomes empty brackets."""
    splices = []
    for number in numbers:
        item = listed.items[number]
        dash = dash_of(content, item)
        if dash is None:
            raise by_hand(file, "a dash of this list shares its line with something else")
        splices.append(Splice(line_start(content, dash), next_line(content, item.end)))
    if len(numbers) == len(listed.items):
        splices.append(Splice(listed.colon_end, listed.colon_end, " []"))
    return splices


def _out_of_brackets(file: str, content: str, listed: KeyedList, numbers: Sequence[int]) -> list[Splice]:
    """The items with their commas; comments between them stay."""
    splices = [piece for number in numbers for piece in _item_and_comma(content, listed.items[number])]
    kept = [number for number in range(len(listed.items)) if number not in set(numbers)]
    if kept and kept[-1] < len(listed.items) - 1 and _comma(content, listed.items[-1]) is None:
        comma = _comma(content, listed.items[kept[-1]])  # which would be left as the last sign
        splices.extend([] if comma is None else [_with_blanks(content, comma)])
    return splices


def _item_and_comma(content: str, item: Span) -> Iterator[Splice]:
    comma = _comma(content, item)
    behind = _with_blanks(content, comma) if comma else Splice(item.end, item.end)
    start = line_start(content, item.start)
    if not content[start : item.start].strip() and behind.end == line_end(content, item.end):
        yield Splice(start, next_line(content, item.end))  # it has the line to itself
    else:
        yield Splice(item.start, item.end)
        yield behind


def _comma(content: str, item: Span) -> Span | None:
    found = _GAP.match(content, item.end)
    position = found.end() if found else item.end
    return Span(position, position + 1) if content.startswith(",", position) else None


def _with_blanks(content: str, comma: Span) -> Splice:
    """The comma and the blanks behind it, except before a comment, which needs one."""
    blanks = _BLANKS.match(content, comma.end)
    end = blanks.end() if blanks else comma.end
    return Splice(comma.start, comma.end if content.startswith("#", end) else end)


# --- Proof --------------------------------------------------------------------------------------------------------


def _lists(file: str, content: str) -> dict[str, list[str]]:
    """The lists of texts by key, as `load` reads them; other values stand in them written out, to be compared."""
    findings = Findings()
    document = parse(file, content, findings)
    if document is None:
        raise RouteFilesInvalid(findings.ordered())
    values = document.value if isinstance(document.value, dict) else {"": document.value}
    return {
        key: [str(item).strip() for item in value] if isinstance(value, list) else [_bare(value)]
        for key, value in values.items()
    }


def _bare(value: object) -> str:
    return repr(value.strip() if isinstance(value, str) else value)  # `load` takes white space at the ends for nothing


def _prove(file: str, new: str, expected: dict[str, list[str]]) -> None:
    try:
        held = _lists(file, new) == {key: [text.strip() for text in texts] for key, texts in expected.items()}
    except RouteFilesInvalid:
        held = False
    if not held:
        raise by_hand(file, "the change would alter another text of this file, as a comment or text is indented")
