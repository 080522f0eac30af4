"""What is wrong with texts beside one another, as the encoder sees them: too near, or nearer to the wrong ones."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fingerpost.build.finding_kinds import Kind
from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.judging import Case
from fingerpost.build.lint.codes import (
    ROUTES_CONFUSED,
    TEST_ALIKE,
    UTTERANCE_ALIKE,
    UTTERANCE_ASTRAY,
    UTTERANCES_ALIKE,
)
from fingerpost.build.lint.neighbourhood import NOTHING, Neighbourhood, neighbourhood, pairs_above
from fingerpost.build.lint.yardstick import Yardstick
from fingerpost.build.load import Loaded
from fingerpost.build.texts import normalised
from fingerpost.ports import Progress
from fingerpost.serve.score import DEFAULT_VOTE
from fingerpost.types import OUT_OF_SCOPE, Exemplar, Text, Vectors

MIN_LEAD = 0.55
"""Share of the votes by which another route must lead an utterance's own one for the utterance to be called astray.

Of CLINC150's 1,500 texts of ten a route lint names 21 as they stand, and 29 of 45 that were moved to a random route:
`benchmarks/quality/misplaced.py` measures it, on other sets as well.
"""

MIN_CONFUSED, MIN_CONFUSED_SHARE = 3, 0.1
"""Utterances of two routes, and their share, that make the two a confused pair."""

_EXAMPLES = 3  # that a message names


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A catalog's texts as an encoder sees them; vectors are float32 unit rows."""

    exemplars: Sequence[Exemplar]  # n, those of a route together
    texts: Sequence[Text]  # n; where they stand
    vectors: Vectors  # (n, dim)
    asked: NDArray[np.int64]  # rows to look at, ascending
    cases: Sequence[Case]  # m tests
    case_vectors: Vectors  # (m, dim)
    yardstick: Yardstick

    @property
    def whole(self) -> bool:
        """Whether all exemplars are to be looked at."""
        return len(self.asked) == len(self.exemplars)

    @property
    def groups(self) -> NDArray[np.int64]:
        """The exemplars' routes."""
        return np.array([exemplar.route for exemplar in self.exemplars], dtype=np.int64)

    @property
    def asked_texts(self) -> frozenset[Text]:
        return frozenset(self.texts[row] for row in self.asked.tolist())


def lint_near(loaded: Loaded, seen: Seen, findings: Findings, progress: Progress) -> None:
    """Report texts that are too near to others; confused routes only where all texts are looked at."""
    found = neighbourhood(seen.vectors, seen.groups, seen.asked, DEFAULT_VOTE, progress)
    looker = _Looker(loaded, seen, found, findings)
    alike = looker.report_alike()
    looker.report_astray(but=alike)
    looker.report_repeating()
    if seen.whole:
        looker.report_confused(but=alike)
    looker.report_tests()


class _Looker:
    """Reads a neighbourhood; rows are those of the exemplars, places those of the asked."""

    def __init__(self, loaded: Loaded, seen: Seen, found: Neighbourhood, findings: Findings) -> None:
        self._drafts = {draft.route.name: draft for draft in loaded.drafts}
        self._names = [route.name for route in loaded.catalog.routes]
        self._seen = seen
        self._found = found
        self._groups = seen.groups
        self._findings = findings

    def report_alike(self) -> set[int]:
        """Gives the rows of all texts that are told."""
        told: set[int] = set()
        yardstick, found = self._seen.yardstick, self._found
        for row, other, similarity in self._pairs(found.other, found.other_similarity, yardstick.alike):
            first, second = (other, row) if self._groups[row] == OUT_OF_SCOPE else (row, other)
            message = (
                f"{self._quoted(first)} is to the encoder nearly the same as {self._named(second)} of "
                f"{self._owner(second)}: similarity {similarity:.2f}"
            )
            self._add(UTTERANCE_ALIKE, first, message)
            told |= {row, other}
        return told

    def report_astray(self, but: Collection[int]) -> None:
        """Utterances that nearest text and votes send to the same other route."""
        found = self._found
        astray = {row: place for place, row, voted in self._drawn_away() if self._is_astray(place, row, voted)}
        for row, place in astray.items():
            other = int(found.other[place])
            if row in but or (other in astray and self._gap(astray[other]) > self._gap(place)):
                continue  # only drawn by one that is astray itself
            message = (
                f"{self._quoted(row)} is nearer to {self._owner(other)} than to its own: nearest there is "
                f"{self._named(other)}, similarity {found.other_similarity[place]:.2f}, and of its own "
                f"{self._named(int(found.own[place]))}, {found.own_similarity[place]:.2f}"
            )
            self._add(UTTERANCE_ASTRAY, row, message)

    def _is_astray(self, place: int, row: int, voted: int) -> bool:
        agreed = self._groups[self._found.other[place]] == voted and self._found.lead[place] >= MIN_LEAD
        return agreed and OUT_OF_SCOPE not in (self._groups[row], voted)

    def _gap(self, place: int) -> float:
        """By how much the other group is nearer."""
        return float(self._found.other_similarity[place] - self._found.own_similarity[place])

    def report_repeating(self) -> None:
        """One note a route: a large one has many such pairs, and none of them does harm."""
        pairs: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for row, other, _ in self._pairs(self._found.own, self._found.own_similarity, self._seen.yardstick.same):
            pairs[int(self._groups[row])].append((row, other))
        for found in pairs.values():
            shown = "; ".join(f"{self._quoted(a)} and {self._named(b)}" for a, b in found[:_EXAMPLES])
            count = "a pair" if len(found) == 1 else f"{len(found)} pairs"
            row = found[0][0]
            message = f"{self._owner(row)} has {count} of utterances that are the same to the encoder: {shown}"
            self._add(UTTERANCES_ALIKE, row, message)

    def report_confused(self, but: Collection[int]) -> None:
        """Pairs of routes; a text that is nearly the same as one of the other route has its own finding."""
        sizes = Counter(self._groups.tolist())
        rows: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for _, row, voted in self._drawn_away():
            own = int(self._groups[row])
            if row not in but and OUT_OF_SCOPE not in (own, voted):
                rows[min(own, voted), max(own, voted)].append(row)
        for (one, other), taken in sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])):
            if len(taken) >= max(MIN_CONFUSED, MIN_CONFUSED_SHARE * (sizes[one] + sizes[other])):
                self._report_pair(one, other, taken, sizes)

    def _report_pair(self, one: int, other: int, taken: Sequence[int], sizes: Counter[int]) -> None:
        first, second = self._names[one], self._names[other]
        lost = sum(self._groups[row] == one for row in taken)
        message = (
            f"the routes {quoted(first)} and {quoted(second)} are mistaken for one another: {lost} of {sizes[one]} "
            f"utterances would go to the second and {len(taken) - lost} of {sizes[other]} to the first, among them "
            + ", ".join(self._named(row) for row in taken[:_EXAMPLES])
        )
        self._findings.add(ROUTES_CONFUSED, self._drafts[first].named, message)

    def report_tests(self) -> None:
        """Tests that equal an utterance are errors of their own already."""
        seen, asked = self._seen, self._found.asked
        for case, place, similarity in pairs_above(seen.case_vectors, seen.vectors[asked], seen.yardstick.same):
            test, row = seen.cases[case], int(asked[place])
            if normalised(test.text.text) == normalised(seen.texts[row].text):
                continue
            own = test.route == (None if self._groups[row] == OUT_OF_SCOPE else self._names[self._groups[row]])
            whose = "" if own else f" of {self._owner(row)}"
            message = (
                f"the test {quoted(test.text.text)} is to the encoder the same as the utterance "
                f"{self._named(row)}{whose}: similarity {similarity:.2f}"
            )
            self._findings.add(TEST_ALIKE, Place(test.text.file, test.text.line), message)

    def _drawn_away(self) -> Iterator[tuple[int, int, int]]:
        """Place, row, and the group that most votes are for where that is not the row's own.

        The only text of a route always is: that says nothing of the text.
        """
        found = self._found
        for place in np.flatnonzero((found.voted != self._groups[found.asked]) & (found.own != NOTHING)).tolist():
            yield place, int(found.asked[place]), int(found.voted[place])

    def _pairs(
        self, partners: NDArray[np.int64], similarities: NDArray[np.float32], floor: float
    ) -> Iterator[tuple[int, int, float]]:
        """Asked rows and their partners that are at least so similar, each pair once."""
        done: set[tuple[int, int]] = set()
        for place in np.flatnonzero(similarities >= floor).tolist():
            row, other = int(self._found.asked[place]), int(partners[place])
            pair = (min(row, other), max(row, other))
            if pair not in done:
                done.add(pair)
                yield row, other, float(similarities[place])

    def _add(self, kind: Kind, row: int, message: str) -> None:
        self._findings.add(kind, self._place(row), message)

    def _place(self, row: int) -> Place:
        return Place(self._seen.texts[row].file, self._seen.texts[row].line)

    def _quoted(self, row: int) -> str:
        return quoted(self._seen.texts[row].text)

    def _named(self, row: int) -> str:
        return f"{self._quoted(row)} ({self._place(row)})"

    def _owner(self, row: int) -> str:
        route = int(self._groups[row])
        return "the out-of-scope texts" if route == OUT_OF_SCOPE else f"the route {quoted(self._names[route])}"
