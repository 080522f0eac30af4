"""Suggested files: what route files would be with the suggestions in them, as changes to review."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fingerpost.build.edit.edit import added, list_of
from fingerpost.build.edit.rows import added_rows, fits
from fingerpost.build.edit.survey import TextKind
from fingerpost.build.findings import quoted
from fingerpost.build.suggest.patch import Change
from fingerpost.build.suggest.route_sources import RouteSource, SourceFile
from fingerpost.build.suggest.suggest import ForRoute, NewRoute, Proposed, Suggestions
from fingerpost.build.yaml_scalars import written
from fingerpost.errors import InvalidRequest

_MAX_STEM = 100  # characters of a file's name


@dataclass(frozen=True, slots=True)
class Refused:
    """A route whose files are written in a way that only a person can add to, and why."""

    route: str
    why: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of a folder's files, and the routes for which there is none."""

    changes: tuple[Change, ...]  # those of refused routes change nothing: their notes say what a person could add
    refused: tuple[Refused, ...]


def changes_of(
    found: Suggestions, sources: Mapping[str, RouteSource], fallback_model: str, files: Sequence[str]
) -> Changes:
    """A change for each file that would be another; what must be done by hand stands first, new routes last.

    Args:
        found: What is suggested; routes that the folder lacks are left alone.
        sources: The routes of the folder.
        fallback_model: What new routes name until a person names another.
        files: Names of all files of the folder: none of them is taken for a new route.
    """
    by_hand, changes, refused = [], [], []
    for one in found.for_routes:
        if (source := sources.get(one.route)) is None:
            continue
        try:
            changes += list(_more(one, source))
        except InvalidRequest as error:
            refused.append(Refused(one.route, str(error)))
            whole = source.yaml.mark + source.yaml.content
            by_hand.append(Change(source.yaml.name, whole, whole, (f"{one.route}: {error}", *_notes(one))))
    taken = {file.casefold() for file in files}
    for new in found.new_routes:
        file = _free_file(new.name, taken)
        taken.add(file.casefold())
        changes.append(Change(file, None, _new_file(new, fallback_model), (_new_note(new),)))
    return Changes((*by_hand, *changes), tuple(refused))


def _more(one: ForRoute, source: RouteSource) -> Iterator[Change]:
    """Into the utterances file where there is one, as `build.edit.editor` does, and what it cannot hold into the YAML.

    Raises:
        InvalidRequest: a file must be edited by hand.
    """
    notes = _notes(one)
    texts = [text.text for text in one.utterances]
    beside, yaml = source.beside, source.yaml
    fitting = [text for text in texts if beside and fits(beside.name, text)]
    others = [text for text in texts if text not in fitting]
    if beside and fitting:
        yield _change(beside, added_rows(beside.name, beside.content, fitting), notes)
        notes = ()
    if others:
        yield _change(yaml, added(yaml.name, yaml.content, TextKind.UTTERANCE.key, others), notes)


def _change(file: SourceFile, after: str, notes: tuple[str, ...]) -> Change:
    return Change(file.name, file.mark + file.content, file.mark + after, notes)


def _notes(one: ForRoute) -> tuple[str, ...]:
    return _note(one), *(f"  {_why(text)}" for text in one.utterances)


def _note(one: ForRoute) -> str:
    sure = "" if one.lowest is None else f", confidence {one.lowest:.2f} to {one.highest:.2f}"
    return f"{one.route}: {_counted(one.texts, one.requests)} near it and unsure{sure}"


def _why(text: Proposed) -> str:
    sure = "no confidence" if text.confidence is None else f"confidence {text.confidence:.2f}"
    asked = f", asked {text.count} times" if text.count > 1 else ""
    return f"{quoted(text.text)}: {sure}{asked}; nearest {quoted(text.nearest)}"


def _new_note(new: NewRoute) -> str:
    near = f"; most of them near {new.nearest_route}" if new.nearest_route else ""
    return f"new route {new.name}: {_counted(new.texts, new.requests)} alike and far from all routes{near}"


def _new_file(new: NewRoute, model: str) -> str:
    return (
        f"# Suggested: {_counted(new.texts, new.requests)} alike that no route takes surely. Take out what does not\n"
        "# belong, mend name and description, and move some utterances to a list called tests:.\n"
        f"name: {written(new.name)}\n"
        f"description: {written(new.description)}\n"
        f"model: {written(model)}  # the fallback, which answers them today: name the model that should\n"
        + list_of(TextKind.UTTERANCE.key, [text.text for text in new.utterances])
    )


def _counted(texts: int, requests: int) -> str:
    plural = "" if texts == 1 else "s"
    return f"{texts} text{plural}" + (f" ({requests} requests)" if requests != texts else "")


def _free_file(name: str, taken: set[str]) -> str:
    """A file's name of plain letters that no other has."""
    stem = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")[:_MAX_STEM] or "route"
    file, number = f"{stem}.yaml", 1
    while file in taken:
        number += 1
        file = f"{stem}_{number}.yaml"
    return file
