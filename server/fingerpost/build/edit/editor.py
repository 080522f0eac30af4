"""Editor: adds, removes and moves texts of a route folder, and makes new routes; all of an edit is written or nothing.

An edit is tried first: the folder is read with the change in place of its files, and an error that was not there before
stops it. Files are compared with what was read just before they are replaced.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from fingerpost.build.edit.edit import added, list_of, removed
from fingerpost.build.edit.rows import added_rows, removed_rows
from fingerpost.build.edit.staging import Stage, staging
from fingerpost.build.edit.survey import OUT_OF_SCOPE_NAME, Placed, Survey, TextKind
from fingerpost.build.files import fits_name
from fingerpost.build.findings import QUOTE_LIMIT, RouteFilesInvalid, quoted
from fingerpost.build.load import OUT_OF_SCOPE_FILE
from fingerpost.build.texts import normalised, text_fault
from fingerpost.build.yaml_scalars import written
from fingerpost.errors import InvalidRequest
from fingerpost.types import Finding

_SCHEMA = "schema/route.schema.json"
_MAX_STEM = 60  # characters of a file's name, which may take 255 bytes
_NEAREST = 3
_SHOWN_NAMES = 30  # of routes or models that a message lists


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit did: nothing where `files` is empty."""

    files: tuple[str, ...]  # that were written
    added: tuple[Placed, ...]  # where they stand now
    removed: tuple[Placed, ...]  # where they stood
    unchanged: tuple[Placed, ...]  # were there already
    findings: tuple[Finding, ...]  # errors that the folder had before, and warnings that the edit brought


def add_texts(folder: Path, route: str, texts: Sequence[str], kind: TextKind = TextKind.UTTERANCE) -> Edited:
    """Put texts at the end of a route's list; those that it has are left as they are.

    Args:
        folder: Of route files.
        route: Its name, or `OUT_OF_SCOPE_NAME`.
        texts: Two that differ only as `texts.normalised` says are one.
        kind: Which list.

    Raises:
        InvalidRequest: there is no such route, or a text belongs to another list already.
        RouteFilesInvalid: the folder would have an error that it has not.
        Conflict: somebody else changed the file meanwhile.
    """
    with staging(folder) as stage:
        home, wanted = _home(stage.before, route), _checked(texts)
        held = {key: stage.before.placed(key) for key in wanted}
        for key, places in held.items():
            _check_free(wanted[key], route, kind, places)
        new = [text for key, text in wanted.items() if not held[key]]
        _put(stage, home, kind, new)
        return _committed(stage, added=new, unchanged=[places[0] for places in held.values() if places])


def remove_texts(folder: Path, route: str, texts: Sequence[str]) -> Edited:
    """Take texts out of a route's utterances and tests.

    Raises:
        InvalidRequest: there is no such route, or it has no such text.
        RouteFilesInvalid, Conflict
    """
    with staging(folder) as stage:
        home, wanted = _home(stage.before, route), _checked(texts)
        found = [place for key, text in wanted.items() for place in _required(stage.before, key, text, route)]
        _take(stage, home, found)
        return _committed(stage, removed=found)


def move_texts(
    folder: Path, texts: Sequence[str], to: str, source: str | None = None, kind: TextKind | None = None
) -> Edited:
    """Move texts to the end of another list.

    Args:
        folder: Of route files.
        texts: What to move.
        to: The route that gets them.
        source: The route that has them; None: whichever has.
        kind: What they become; None: what they are.

    Raises:
        InvalidRequest: there is no such route or text, or more routes than one have it.
        RouteFilesInvalid, Conflict
    """
    with staging(folder) as stage:
        before = stage.before
        home, wanted = _home(before, to), _checked(texts)
        found = [place for key, text in wanted.items() for place in _required(before, key, text, source)]
        staying = [place for place in found if (place.route, place.kind) == (to, kind or place.kind)]
        moving = [place for place in found if place not in staying]
        for name in dict.fromkeys(place.route for place in moving):
            _take(stage, _home(before, name), [place for place in moving if place.route == name])
        for target in TextKind:
            new = [place.text.text for place in moving if (kind or place.kind) is target]
            _put(stage, home, target, [text for text in new if not before.holds(to, target, text)])
        return _committed(stage, added=[place.text.text for place in moving], removed=moving, unchanged=staying)


def create_route(folder: Path, route: str, model: str, description: str, texts: Sequence[str]) -> Edited:
    """Write the file of a new route.

    Raises:
        InvalidRequest: the name is taken or none, there is no such model, or a text belongs elsewhere.
        RouteFilesInvalid, Conflict
    """
    with staging(folder) as stage:
        _check_new_name(stage, route)
        _check_model(stage.before, model)
        wanted = _checked(texts)
        for key, text in wanted.items():
            places = stage.before.placed(key)
            _check_free(text, route, TextKind.UTTERANCE, places, "make the route without it, then ")
        new = list(wanted.values())
        head = f"# yaml-language-server: $schema={_SCHEMA}\n" if (folder / _SCHEMA).is_file() else ""
        named = f"name: {written(route)}\ndescription: {written(description)}\nmodel: {written(model)}\n"
        stage.create(_file_name(route), head + named + list_of(TextKind.UTTERANCE.key, new))
        return _committed(stage, added=new)


def _committed(
    stage: Stage, added: Sequence[str] = (), removed: Sequence[Placed] = (), unchanged: Sequence[Placed] = ()
) -> Edited:
    result = stage.commit()
    there = [place for key in dict.fromkeys(map(normalised, added)) for place in result.after.placed(key)]
    return Edited(result.files, tuple(there), tuple(removed), tuple(unchanged), result.findings)


# --- What is asked for --------------------------------------------------------------------------------------------


def _checked(texts: Sequence[str]) -> dict[str, str]:
    """Texts by what makes two of them the same; of those that are, the first."""
    checked: dict[str, str] = {}
    for text in texts:
        if fault := text_fault(text):
            raise InvalidRequest(f"{quoted(text)}: {fault[1]}")
        checked.setdefault(normalised(text), text.strip())
    return checked


def _check_free(text: str, route: str, kind: TextKind, places: Sequence[Placed], first: str = "") -> None:
    """Refuse a text that another list has, with the command that moves it; `first` says what must be done before."""
    for place in places:
        if (place.route, place.kind) == (route, kind):
            continue
        shown = shlex.quote(text) if text.isprintable() and len(text) <= QUOTE_LIMIT else "TEXT"
        flag = "" if kind is place.kind else f" --{kind}"
        noun = f"{'an' if place.kind is TextKind.UTTERANCE else 'a'} {place.kind} of {place.route}"
        raise InvalidRequest(
            f"{quoted(text)} is {noun} already ({place.where}); "
            f"to move it: {first}fingerpost mv {shown} --to {shlex.quote(route)}{flag}"
        )


def _check_new_name(stage: Stage, route: str) -> None:
    if not fits_name(route) or route == OUT_OF_SCOPE_NAME:
        raise InvalidRequest(f"{quoted(route)} is no valid name: 1 to 128 letters, digits and a few signs")
    for entry in stage.before.draft.routes:
        if entry.route.name == route:
            raise InvalidRequest(f"there is a route {quoted(route)} already: see {entry.named}")
    name = _file_name(route)
    if taken := [path.name for path in stage.folder.iterdir() if path.name.casefold() == name.casefold()]:
        raise InvalidRequest(f"the file {taken[0]} is there already: give the route another name")


def _check_model(before: Survey, model: str) -> None:
    if before.draft.models is None:
        raise RouteFilesInvalid(before.findings)
    names = [entry.model.name for entry in before.draft.models]
    if model not in names:
        raise InvalidRequest(f"no model in _models.yaml is called {quoted(model)}: {_choice(model, names)}")


def _file_name(route: str) -> str:
    stem = re.sub(r"[^\w-]+", "_", route).strip("_-")[:_MAX_STEM] or "route"
    return f"{stem}.yaml"


def _choice(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, 1)
    listed = ", ".join(sorted(names)[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
    return f"did you mean {near[0]}? There are {listed}" if near else f"there are {listed or 'none'}"


# --- Where texts stand --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Home:
    """The files of a route, or of the texts out of scope."""

    route: str
    file: str
    utterances_file: str | None = None


def _home(before: Survey, route: str) -> _Home:
    """Raise InvalidRequest for an unknown route, RouteFilesInvalid where its file cannot be told or read."""
    if route == OUT_OF_SCOPE_NAME and not before.unreadable(OUT_OF_SCOPE_FILE):
        return _Home(route, OUT_OF_SCOPE_FILE)
    found = [entry for entry in before.draft.routes if entry.route.name == route]
    if len(found) == 1:
        return _Home(route, found[0].named.file, found[0].utterances_file)
    if before.errors:  # two files have the name, or the one that has it cannot be read
        raise RouteFilesInvalid(before.findings)
    names = [entry.route.name for entry in before.draft.routes]
    raise InvalidRequest(f"no route is called {quoted(route)}: {_choice(route, names)}")


def _required(before: Survey, key: str, text: str, route: str | None) -> list[Placed]:
    """Where the text stands in the route, or in whichever has it."""
    places = before.placed(key)
    found = [place for place in places if route in (None, place.route)]
    if not found:
        raise InvalidRequest(_absent(before, text, route, places))
    owners = sorted({place.route for place in found})
    if len(owners) > 1:
        raise InvalidRequest(f"{quoted(text)} is a text of {' and of '.join(owners)}: say which with --from")
    return found


def _absent(before: Survey, text: str, route: str | None, elsewhere: Sequence[Placed]) -> str:
    whose = "no route has" if route is None else f"{route} has no"
    if elsewhere:
        return f"{whose} {quoted(text)}: it is a text of {elsewhere[0].route} ({elsewhere[0].where})"
    own = {place.text.text: place for place in before.places() if route in (None, place.route)}
    near = [own[found] for found in get_close_matches(text, own, _NEAREST)]
    listed = "; ".join(f"{quoted(place.text.text)} ({place.where})" for place in near)
    return f"{whose} {quoted(text)}" + (f"; the nearest: {listed}" if listed else ", and nothing near it")


def _put(stage: Stage, home: _Home, kind: TextKind, texts: Sequence[str]) -> None:
    if not texts:
        return
    if kind is TextKind.UTTERANCE and home.utterances_file:
        name = home.utterances_file
        stage.change(name, added_rows(name, stage.content(name), texts))
    elif home.route == OUT_OF_SCOPE_NAME and not stage.has(home.file):
        stage.create(home.file, list_of(kind.key, texts))
    else:
        stage.change(home.file, added(home.file, stage.content(home.file), kind.key, texts))


def _take(stage: Stage, home: _Home, places: Sequence[Placed]) -> None:
    """Everywhere in the route's files, since a text may stand twice."""
    for kind in TextKind:
        texts = [place.text.text for place in places if place.kind is kind]
        if not texts:
            continue
        stage.change(home.file, removed(home.file, stage.content(home.file), kind.key, texts))
        if kind is TextKind.UTTERANCE and home.utterances_file:
            name = home.utterances_file
            stage.change(name, removed_rows(name, stage.content(name), texts))
