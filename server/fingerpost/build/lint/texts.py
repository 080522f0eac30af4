"""What is wrong with single texts, and with how many there are: no vector is needed for it."""

from collections.abc import Collection, Iterator, Sequence

from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.folds import FOLDS
from fingerpost.build.lint.codes import ROUTE_SMALL, TEXT_PERSONAL, TEXT_SECRET, TEXT_WITHOUT_WORDS
from fingerpost.build.lint.nontext import nontext
from fingerpost.build.load import Loaded
from fingerpost.build.sensitive import disclosed
from fingerpost.types import Text

MIN_UTTERANCES = FOLDS
"""With fewer, some fold of the held-out utterances has none of the route."""


def lint_texts(loaded: Loaded, asked: Collection[Text], findings: Findings) -> None:
    """Report small routes, texts without words, secrets and personal data.

    Args:
        loaded: The route folder.
        asked: The utterances and out-of-scope texts that are to be read; all else is read anyway.
        findings: Hears what is wrong.
    """
    catalog = loaded.catalog
    for draft in loaded.drafts:
        count = len(draft.route.utterances)
        if 0 < count < MIN_UTTERANCES:
            few = f"{count} utterance{'' if count == 1 else 's'}"
            findings.add(ROUTE_SMALL, draft.named, f"the route {quoted(draft.route.name)} has only {few}: add some")
    for route in catalog.routes:
        for text in (*_of(asked, route.utterances), *route.tests):
            _check_words(text, findings)
            _check_disclosure(text, "the text", findings)
    for text in (*_of(asked, catalog.out_of_scope), *catalog.out_of_scope_tests):
        _check_disclosure(text, "the text", findings)  # words are not asked for: noise belongs there
    for text in loaded.prose:
        _check_disclosure(text, "the value", findings)


def _of(asked: Collection[Text], texts: Sequence[Text]) -> Iterator[Text]:
    return (text for text in texts if text in asked)


def _check_words(text: Text, findings: Findings) -> None:
    if fault := nontext(text.text):
        findings.add(TEXT_WITHOUT_WORDS, Place(text.file, text.line), f"the text {quoted(text.text)} {fault}")


def _check_disclosure(text: Text, noun: str, findings: Findings) -> None:
    found = disclosed(text.text)
    for kind, names in (TEXT_SECRET, found.secrets), (TEXT_PERSONAL, found.personal):
        if names:
            message = f"{noun} {quoted(found.shown)} holds {' and '.join(map(_with_article, names))}: remove it"
            findings.add(kind, Place(text.file, text.line), message)


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiouA' else 'a'} {name}"
