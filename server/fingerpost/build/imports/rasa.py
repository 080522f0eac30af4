"""Rasa's NLU training data as YAML: an intent becomes a route, its examples become utterances."""

import re
from collections.abc import Iterator

from fingerpost.build.findings import Place, quoted
from fingerpost.build.imports.codes import (
    IMPORT_FORM,
    IMPORT_METADATA,
    IMPORT_NOT_TEXT,
    IMPORT_SETTING,
    IMPORT_UNKNOWN_KEY,
    IMPORT_VERSION,
)
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.imported import Imported, ImportedRoute
from fingerpost.types import Text

# [text](entity), [text](entity:value) and [text]{"entity": "name"}; no part holds a sign that could begin another
# annotation, so that every character is looked at a bounded number of times.
_ANNOTATION = re.compile(r"\[([^\[\]]+)\](?:\([^()\[\]]*\)|\{[^{}\[\]]*\})")
_VERSIONS = {"2", "3"}
_OUT_OF_SCOPE = {"out_of_scope", "nlu_fallback"}
_SECTIONS = ("synonym", "regex", "lookup")


def read_rasa(root: Cursor) -> Imported:
    """The intents of a file; those called out_of_scope and nlu_fallback are out of scope."""
    if not root.is_mapping() or not _is_readable(root):
        return Imported()
    for key in root.keys:
        if key not in {"version", "nlu"}:
            place = root.document.place((key,))
            root.findings.add(
                IMPORT_NOT_TEXT, place, f"the section {quoted(key)} is left out: it is no example of an intent"
            )
    reader = _Reader()
    nlu = root.required("nlu")
    routes = [route for entry in (nlu.entries() if nlu else ()) if (route := reader.read(entry))]
    reader.note_annotations(root)
    outside = tuple(text for route in routes if route.label in _OUT_OF_SCOPE for text in route.texts)
    return Imported(tuple(route for route in routes if route.label not in _OUT_OF_SCOPE), outside)


def _is_readable(root: Cursor) -> bool:
    if "rasa_nlu_data" in root.keys:
        root.note(IMPORT_VERSION, "this is JSON of Rasa 1: convert it with `rasa data convert nlu` of Rasa 2 first")
        return False
    if "nlu" not in root.keys:
        root.note(IMPORT_FORM, "training data of Rasa has the key nlu, and here is none")
        return False
    version = root.get("version")
    if version is not None and str(version.value).partition(".")[0] not in _VERSIONS:
        version.note(IMPORT_VERSION, "the version is none of 2.x and 3.x")
        return False
    return True


class _Reader:
    """Reads intents, and counts what it takes out of their examples."""

    def __init__(self) -> None:
        self._annotations_count = 0
        self._annotations_at: Place | None = None

    def note_annotations(self, root: Cursor) -> None:
        if self._annotations_at is not None:
            message = f"annotations of entities are reduced to their text, {self._annotations_count} in all"
            root.findings.add(IMPORT_NOT_TEXT, self._annotations_at, message)

    def read(self, entry: Cursor) -> ImportedRoute | None:
        if not entry.is_mapping():
            return None
        intent = entry.get("intent")
        if intent is None:
            _note_section(entry)
            return None
        entry.note_unknown_keys({"intent", "examples", "metadata"})
        if metadata := entry.get("metadata"):
            metadata.note(IMPORT_METADATA, "metadata has no place here and is left out")
        label, examples = intent.label(), entry.required("examples")
        texts = tuple(self._texts(examples)) if examples else ()
        if label is None:
            return None
        if "/" in label:
            message = f"the retrieval intent {quoted(label)} becomes a route of its own; responses are not read"
            intent.note(IMPORT_SETTING, message)
        return ImportedRoute(label, entry.place, texts)

    def _texts(self, examples: Cursor) -> Iterator[Text]:
        if isinstance(examples.value, list):
            for example in examples.entries():
                yield from self._listed(example)
        elif (block := examples.string()) is not None:
            yield from self._lines(examples, block)

    def _listed(self, example: Cursor) -> Iterator[Text]:
        """An entry of a list: a mapping with a text and perhaps metadata, or the text itself."""
        if isinstance(example.value, dict):
            example.note_unknown_keys({"text", "metadata"})
            if metadata := example.get("metadata"):
                metadata.note(IMPORT_METADATA, "metadata has no place here and is left out")
            found = example.required("text")
        else:
            found = example
        text = found.string() if found else None
        if found and text is not None:
            plain = self._plain(text.strip().removeprefix("- "), found.place)
            yield from _one(found.checked(plain, found.place))

    def _lines(self, examples: Cursor, block: str) -> Iterator[Text]:
        first = examples.place.line + 1  # of a block, which begins on the line after its sign
        for number, line in enumerate(block.split("\n")):
            place = Place(examples.place.file, first + number)
            example = line.strip()
            if example.startswith("-"):
                yield from _one(examples.checked(self._plain(example[1:], place), place))
            elif example:
                examples.findings.add(IMPORT_NOT_TEXT, place, "a line that does not begin with a dash is left out")

    def _plain(self, text: str, place: Place) -> str:
        plain, count = _ANNOTATION.subn(r"\1", text)
        if count and self._annotations_at is None:
            self._annotations_at = place
        self._annotations_count += count
        return plain


def _one(text: Text | None) -> Iterator[Text]:
    if text is not None:
        yield text


def _note_section(entry: Cursor) -> None:
    for key in entry.keys:
        if key in _SECTIONS:
            entry.note(IMPORT_NOT_TEXT, f"this {key} is left out: it helps to find entities, not intents")
            return
    entry.note(IMPORT_UNKNOWN_KEY, "this entry has no intent and is left out")
