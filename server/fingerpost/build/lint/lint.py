"""Lint: what is wrong with texts that load well? Read as people read them, and as the encoder sees them.

`load` says whether files can be used at all. Here every finding is a warning or a note: a person must judge it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.judging import Case
from fingerpost.build.lint.choices import lint_choices
from fingerpost.build.lint.codes import CONFIDENCE_UNREACHED
from fingerpost.build.lint.near import Seen, lint_near
from fingerpost.build.lint.reach import Deciding, reach
from fingerpost.build.lint.texts import lint_texts
from fingerpost.build.lint.yardstick import Yardstick, measure_yardstick
from fingerpost.build.load import Loaded
from fingerpost.ports import Progress
from fingerpost.types import Exemplar, Finding, Text, Vectors

VectorsOf = Callable[[Sequence[str]], Vectors]
"""Embeds n texts; shape (n, dim), float32, unit rows."""

WHOLE_TEXTS = 3_000
"""Exemplars up to which a reindex looks at all of them; of a larger catalog it looks at what is new in it."""

_NO_YARDSTICK = Yardstick(same=2.0, alike=2.0)  # without an utterance nothing is near


def see(
    loaded: Loaded,
    exemplars: Sequence[Exemplar],
    vectors: Vectors,
    cases: Sequence[Case],
    vectors_of: VectorsOf,
    known: Collection[tuple[str, str | None]] | None = None,
) -> Seen:
    """The catalog's texts as an encoder sees them.

    Args:
        loaded: The route folder.
        exemplars: Its n indexed texts, those of a route together.
        vectors: Theirs: shape (n, dim), float32, unit rows.
        cases: Its tests.
        vectors_of: Embeds further texts with the same encoder.
        known: Texts with the names of their routes, None for out of scope, that need not be looked at again where the
            catalog is large; None: look at all.
    """
    texts = [exemplar.text for exemplar in exemplars]
    return Seen(
        exemplars=exemplars,
        texts=_texts_of(loaded, exemplars),
        vectors=vectors,
        asked=_asked(loaded, exemplars, known),
        cases=cases,
        case_vectors=vectors_of([case.text.text for case in cases]),
        yardstick=measure_yardstick(texts, vectors, vectors_of) if texts else _NO_YARDSTICK,
    )


def lint(loaded: Loaded, seen: Seen, deciding: Deciding | None, progress: Progress) -> tuple[Finding, ...]:
    """Look at all texts of a route folder that loads.

    Args:
        loaded: The route folder.
        seen: Its texts as the encoder sees them.
        deciding: What tells the confidence; None where nothing is published.
        progress: Hears the step "lint", counted in utterances.

    Returns:
        Findings by file, then line; those of `load` are not among them.
    """
    findings = Findings()
    progress.step("lint", len(seen.asked))
    lint_texts(loaded, seen.asked_texts, findings)
    lint_choices(loaded, findings)
    lint_near(loaded, seen, findings, progress)
    if deciding is not None:
        _lint_confidences(loaded, deciding, findings)
    return findings.ordered()


def _texts_of(loaded: Loaded, exemplars: Sequence[Exemplar]) -> list[Text]:
    """Where each exemplar stands."""
    catalog = loaded.catalog
    places = {(number, text.text): text for number, route in enumerate(catalog.routes) for text in route.utterances}
    outside = {text.text: text for text in catalog.out_of_scope}
    return [places.get((exemplar.route, exemplar.text)) or outside[exemplar.text] for exemplar in exemplars]


def _asked(
    loaded: Loaded, exemplars: Sequence[Exemplar], known: Collection[tuple[str, str | None]] | None
) -> NDArray[np.int64]:
    if known is None or len(exemplars) <= WHOLE_TEXTS:
        return np.arange(len(exemplars))
    names: Mapping[int, str] = {number: route.name for number, route in enumerate(loaded.catalog.routes)}
    fresh = [(exemplar.text, names.get(exemplar.route)) not in known for exemplar in exemplars]
    return np.flatnonzero(fresh)


def _lint_confidences(loaded: Loaded, deciding: Deciding, findings: Findings) -> None:
    numbers = {route.name: number for number, route in enumerate(deciding.decider.routes)}
    for draft in loaded.drafts:
        wanted, number = draft.route.min_confidence, numbers.get(draft.route.name)
        if wanted is None or number is None:
            continue
        found = reach(number, wanted, deciding)
        if found is not None and found.confidence < wanted:
            message = (
                f"the route {quoted(draft.route.name)} asks for a confidence of {wanted:g}, and none of {found.asked} "
                f"of its tests and utterances gets more than {found.confidence:.3f}"
            )
            findings.add(CONFIDENCE_UNREACHED, draft.confidence_named or Place(draft.named.file), message)
