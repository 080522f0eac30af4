"""What people see of an edit: which texts were added, removed or left, where, and what to do next."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from fingerpost.cli import show

if TYPE_CHECKING:
    from fingerpost.build.edit.editor import Edited
    from fingerpost.build.edit.survey import Placed

_out = Console(highlight=False, soft_wrap=True, emoji=False)

_SHOWN = 20  # texts of a kind; the rest is counted


def edited(result: "Edited") -> None:
    """A line for each text, and the findings that people should know of."""
    show.show_findings(result.findings)
    _show(result.removed, "removed from", "red", "-")
    _show(result.added, "added to", "green", "+")
    _show(result.unchanged, "already in", "yellow", "=")


def written(result: "Edited", routes: Path, *, published: bool) -> None:
    """Which files were written and, where they are not published at once, the command that does."""
    if not result.files:
        _out.print("No file was changed.")
        return
    files = ", ".join(str(routes / name) for name in result.files)
    hint = "" if published else f" Next: fingerpost reindex --routes {shlex.quote(str(routes))}"
    _out.print(escape(f"Written: {files}.{hint}"))


def edited_json(result: "Edited") -> str:
    return show.to_json(result)


def _show(places: "Sequence[Placed]", verb: str, colour: str, sign: str) -> None:
    for (route, kind), texts in _by_list(places).items():
        noun = kind if len(texts) == 1 else f"{kind}s"
        _out.print(f"{len(texts)} {noun} {verb} [bold]{escape(route)}[/]:")
        for place in texts[:_SHOWN]:
            _out.print(f"  [{colour}]{sign}[/] {escape(str(place.where))}  {escape(show.short(place.text.text))}")
        if len(texts) > _SHOWN:
            _out.print(f"  and {len(texts) - _SHOWN} more")


def _by_list(places: "Sequence[Placed]") -> "dict[tuple[str, str], list[Placed]]":
    lists: dict[tuple[str, str], list[Placed]] = {}
    for place in places:
        lists.setdefault((place.route, str(place.kind)), []).append(place)
    return lists
