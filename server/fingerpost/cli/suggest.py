"""What `fingerpost suggest` shows: a summary beside, and the patch, questions or JSON as output."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from fingerpost.cli.show import short, to_json
from fingerpost.durable import put_file, storing

if TYPE_CHECKING:
    from fingerpost.bootstrap.suggesting import Suggested
    from fingerpost.build.suggest.suggest import ForRoute, NewRoute, Suggestions

# Beside the output, so that it can be sent to a file or another program.
_err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def summary(found: "Suggested", routes: Path, patch: Path | None) -> None:
    """What was found, and what to do next."""
    made = found.suggestions
    _err.print(_counts(made))
    if found.sensitive:
        hold = "1 text holds" if found.sensitive == 1 else f"{found.sensitive:,} texts hold"
        _err.print(f"{hold} secrets or personal data and {'was' if found.sensitive == 1 else 'were'} left out.")
    refused = {one.route: one.why for one in found.refused}
    for one in made.for_routes:
        if one.route in found.missing:
            _err.print(
                f"[yellow]Route {escape(one.route)} is not in {routes}[/]: nothing is suggested for it; reindex."
            )
        else:
            _err.print(_for_route(one))
            if one.route in refused:
                _by_hand(one, refused[one.route])
    for new in made.new_routes:
        _err.print(_new_route(new))
    if made.left_out:
        _err.print(f"{made.left_out:,} unsure texts were left out: give a sample of the texts.")
    if not found.patch:
        _err.print("No patch: add by hand what is listed here." if refused else "Nothing is suggested.")
    elif patch is not None:
        _err.print(f"Read {patch}, then apply it: patch -p1 -d {routes} < {patch}")


def _counts(made: "Suggestions") -> str:
    return (
        f"{made.requests:,} requests, {made.texts:,} texts: {made.known:,} known, {made.sure:,} sure, {made.unsure:,} "
        f"unsure, {made.fell_back:,} fell back; {made.noise:,} of these are like too few others for a suggestion."
    )


def _for_route(one: "ForRoute") -> str:
    count = len(one.utterances)
    plural = "" if count == 1 else "s"
    return (
        f"[bold]{escape(one.route)}[/]: {count} utterance{plural} for {one.requests} requests that were near it and "
        f'unsure, such as "{escape(short(one.utterances[0].text))}"'
    )


def _by_hand(one: "ForRoute", why: str) -> None:
    """The texts as lines to copy."""
    from fingerpost.build.yaml_scalars import written

    _err.print(f"  [yellow]The patch lacks them[/]: {escape(why)}")
    for proposed in one.utterances:
        _err.print(f"  - {escape(written(proposed.text))}")


def _new_route(new: "NewRoute") -> str:
    return (
        f"[bold]{escape(new.name)}[/], a new route: {len(new.utterances)} utterances for {new.requests} requests, such "
        f'as "{escape(short(new.utterances[0].text))}"'
    )


def write_patch(found: "Suggested", path: Path) -> None:
    with storing(str(path)):
        put_file(path, found.patch.encode())


def print_patch(found: "Suggested") -> None:
    typer.echo(found.patch.encode(), nl=False)  # as bytes: line ends stand in it as in the files


def print_questions(found: "Suggested") -> None:
    """A row for each, with an empty label to fill in; `fingerpost import` and `evaluate` take the rows then."""
    for one in found.questions:
        row = {"text": one.text, "label": "", "best": one.best, "confidence": _rounded(one.confidence)}
        typer.echo(json.dumps({**row, "asked": one.count, "why": one.why}, ensure_ascii=False))


def print_json(found: "Suggested") -> None:
    typer.echo(to_json(found))


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)
