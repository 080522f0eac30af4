"""Where the lists under the keys of a YAML file stand, character by character, so that an edit touches nothing else."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

_BREAK = re.compile(r"[\r\n]")
_ROOT, _LIST = 1, 2  # collections that are open around a key of the file, and around an item of a list


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of characters, from the first to behind the last."""

    start: int
    end: int


@dataclass(slots=True)
class KeyedList:
    """A list that a key of the file holds."""

    colon_end: int  # behind the key's colon
    opening: int  # the bracket, or the first dash
    in_brackets: bool
    items: list[Span] = field(default_factory=list)
    closing: int = 0  # behind the last bracket; without brackets 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The lists of a file by key, and where its content ends: whatever follows is comments."""

    lists: Mapping[str, KeyedList]
    in_braces: bool  # the file itself is a mapping in braces, as JSON is
    end: int


def layout_of(content: str) -> Layout:
    """Where the lists stand in a file that `yaml_lines.parse` takes."""
    walk = _Walk(content)
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        walk.feed(event)
    return Layout(walk.lists, walk.in_braces, walk.end)


class _Walk:
    """Follows the parser through a mapping of keys; what is nested deeper than a list of scalars is passed over."""

    def __init__(self, content: str) -> None:
        self.lists: dict[str, KeyedList] = {}
        self.in_braces = False
        self.end = 0
        self._content = content
        self._depth = 0
        self._key: tuple[str, int] | None = None  # a key that waits for its value, and where it ends
        self._list: KeyedList | None = None

    def feed(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event.value, self._span(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._finish(self._span(event))

    def _span(self, event: yaml.Event) -> Span:
        """Without the white space at the end, which the parser counts to a text of several lines."""
        start, end = _index(event.start_mark), _index(event.end_mark)
        while end > start and self._content[end - 1] in " \t\r\n":
            end -= 1
        return Span(start, end)

    def _scalar(self, value: str, span: Span) -> None:
        self.end = max(self.end, span.end)
        if self._depth == _LIST and self._list is not None:
            self._list.items.append(span)
        elif self._depth == _ROOT:
            self._key = (value, span.end) if self._key is None else None

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        self._depth += 1
        if self._depth == _ROOT:
            self.in_braces = bool(event.flow_style)
        elif self._depth == _LIST and self._key is not None:
            name, end = self._key
            self._key = None
            if isinstance(event, yaml.SequenceStartEvent):
                start = _index(event.start_mark)
                self._list = KeyedList(self._content.index(":", end) + 1, start, bool(event.flow_style))
                self.lists[name] = self._list

    def _finish(self, span: Span) -> None:
        if self._depth == _LIST:
            if self._list is not None and self._list.in_brackets:
                self._list.closing = span.end
            self._list = None
        self._depth -= 1
        if span.end > span.start:  # without brackets the parser tells a place behind the comments that follow
            self.end = max(self.end, span.end)


def _index(mark: object) -> int:
    """The parser's two kinds of marks share no type."""
    return int(getattr(mark, "index", 0))


# --- Lines --------------------------------------------------------------------------------------------------------


def line_start(content: str, position: int) -> int:
    """Where the line of a position begins."""
    after_feed = content.rfind("\n", 0, position) + 1
    return content.rfind("\r", after_feed, position) + 1 or after_feed


def line_end(content: str, position: int) -> int:
    """Where the line of a position ends, before its line break."""
    found = _BREAK.search(content, position)
    return found.start() if found else len(content)


def next_line(content: str, position: int) -> int:
    """Where the line after that of a position begins."""
    end = line_end(content, position)
    return end + (2 if content.startswith("\r\n", end) else 1 if end < len(content) else 0)


def line_break(content: str) -> str:
    """How lines of this content end: as the first one does."""
    end = line_end(content, 0)
    return content[end : next_line(content, end)] or "\n"


def dash_of(content: str, item: Span) -> int | None:
    """Where the dash of a block list's item stands; None where it shares its line with something else."""
    for begin in _lines_upwards(content, item.start):
        head = content[begin : min(line_end(content, begin), item.start)]
        bare = head.lstrip(" ")
        if bare.startswith("-"):
            return begin + len(head) - len(bare)
        if bare.strip() and not bare.startswith("#"):
            return None
    return None


def _lines_upwards(content: str, position: int) -> Iterator[int]:
    begin = line_start(content, position)
    yield begin
    while begin > 0:
        begin = line_start(content, begin - (2 if content.startswith("\r\n", begin - 2) else 1))
        yield begin
