"""Suggested files: what route files would be with the suggestions in them, as changes to review."""

import re
from collections.abc import Iterator, Mapping, Sequence

from fingerpost.build.suggest.insertion import fits_file, with_rows, with_utterances
from fingerpost.build.suggest.patch import Change
from fingerpost.build.suggest.route_sources import RouteSource, SourceFile
from fingerpost.build.suggest.suggest import ForRoute, NewRoute, Proposed, Suggestions
from fingerpost.build.yaml_scalars import written

_MAX_STEM = 100  # characters of a file's name


def changes_of(
    found: Suggestions, sources: Mapping[str, RouteSource], fallback_model: str, files: Sequence[str]
) -> list[Change]:
    """A change for each file that would be another, new routes last.

    Args:
        found: What is suggested; routes that the folder lacks are left alone.
        sources: The routes of the folder.
        fallback_model: What new routes name until a person names another.
        files: Names of all files of the folder: none of them is taken for a new route.
    """
    changes = [change for one in found.for_routes if one.route in sources for change in _more(one, sources[one.route])]
    taken = {file.casefold() for file in files}
    for new in found.new_routes:
        file = _free_file(new.name, taken)
        taken.add(file.casefold())
        changes.append(Change(file, None, _new_file(new, fallback_model), (_new_note(new),)))
    return changes


def _more(one: ForRoute, source: RouteSource) -> Iterator[Change]:
    """Into the list of the YAML file where it has one, else into the file beside."""
    notes = (_note(one), *(f"  {_why(text)}" for text in one.utterances))
    texts = [text.text for text in one.utterances]
    beside = None if source.listed else source.beside
    fitting = [text for text in texts if beside and fits_file(beside.name, text)]
    others = [text for text in texts if text not in fitting]
    if beside and fitting:
        yield _change(beside, with_rows(beside.name, beside.content, fitting), notes)
        notes = ()
    if others:
        yield _change(source.yaml, with_utterances(source.yaml.content, others), notes)


def _change(file: SourceFile, after: str, notes: tuple[str, ...]) -> Change:
    return Change(file.name, file.mark + file.content, file.mark + after, notes)


def _note(one: ForRoute) -> str:
    sure = "" if one.lowest is None else f", confidence {one.lowest:.2f} to {one.highest:.2f}"
    return f"{one.route}: {_counted(one.texts, one.requests)} near it and unsure{sure}"


def _why(text: Proposed) -> str:
    sure = "no confidence" if text.confidence is None else f"confidence {text.confidence:.2f}"
    asked = f", asked {text.count} times" if text.count > 1 else ""
    return f"{written(_short(text.text))}: {sure}{asked}; nearest {written(_short(text.nearest))}"


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
        "utterances:\n" + "".join(f"  - {written(text.text)}\n" for text in new.utterances)
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


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
