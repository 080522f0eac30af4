"""Measures which turns of a conversation should be read, on seeded conversations made from public validation texts.

    .venv/bin/python benchmarks/quality/conversations.py --sets ../shared/data --data data

Each conversation has two user turns. Prints the share whose best route is right, before any threshold, with ten
utterances a route, when the last turn is read alone, when the two are always joined, and by the rule of
`fingerpost.serve.conversation`; and the share that the rule joins.

| case | previous turn | last turn | right is |
|---|---|---|---|
| switch | a text | a text of another route | the last turn's route |
| switch, "and" | a text | the same after "and", "also" or "but" | the last turn's route |
| same topic | a text | another text of its route | their route |
| elliptic | a text | a follow-up, in English | the previous turn's route |
| elliptic, new | a text | a follow-up, in English | the previous turn's route |
| elliptic, other | a text | a follow-up, in another language | the previous turn's route |

The follow-ups stand below, written for this measurement. The rule was made with the first list in sight; the second was
written after it, and the rule was not changed for it.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from public_sets import SETS, arguments, in_scope

from fingerpost.bootstrap.building import encoder_source, open_workshop
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.reindex import Workshop
from fingerpost.build.vectorise import vectorise
from fingerpost.cli.progress import progress
from fingerpost.ports import NoProgress
from fingerpost.serve.conversation import deciding_text
from fingerpost.serve.score import DEFAULT_VOTE, score
from fingerpost.types import Exemplar, Found, Neighbour, Role, Turn, Vectors

SEED = 1
CONVERSATIONS = 1000  # a case and set

FOLLOW_UPS = (
    "what about tomorrow?",
    "and for my other account?",
    "same for Paris",
    "how come?",
    "why?",
    "and the second one?",
    "how about next week",
    "what about my wife?",
    "is it free?",
    "how much is it",
    "can you do that now",
    "but why",
    "or the day after",
    "for two people instead",
    "not that one",
    "which one is better?",
    "are you sure about that?",
    "in euros",
    "only the last three",
    "what does that mean",
    "and then?",
    "also for my savings",
    "instead of monday, tuesday",
    "tell me more",
    "more details please",
    "how long does it take",
    "when exactly",
    "the blue one",
)
NEW_FOLLOW_UPS = (
    "does that include weekends?",
    "any cheaper ones?",
    "make it shorter",
    "what else?",
    "with more detail",
    "who says so?",
    "a shorter one please",
    "in my time zone",
    "and if it's late?",
    "the same but for my son",
    "what about the fees?",
    "next monday?",
    "is there another way",
    "and the interest rate?",
    "do they take cards?",
    "how far is it from here",
    "no i meant the other one",
    "but not on sundays",
    "could it be sooner",
    "so how do i do that",
    "try again",
    "anything else i should know?",
    "for how long?",
    "and after that?",
    "i mean the old one",
    "without the extras",
    "ok but when",
    "is that all?",
)
OTHER_FOLLOW_UPS = (
    "und morgen?",
    "warum nicht?",
    "und für mein anderes Konto?",
    "et demain ?",
    "et pour deux personnes ?",
    "¿y mañana?",
    "¿por qué?",
    "e domani?",
    "en volgende week?",
    "а завтра?",
    "वह क्यों?",
    "那明天呢",
    "为什么？",
    "明日は？",
    "내일은 어때?",
    "ve yarın?",
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two user turns and the route that is right for them."""

    previous: str
    last: str
    route: str


@dataclass(frozen=True, slots=True)
class Utterances:
    """What requests are compared with."""

    exemplars: list[Exemplar]
    names: list[str]  # of the routes, by number
    vectors: Vectors  # of the exemplars


def main() -> None:
    given = arguments(__doc__)
    print("| set | case | last alone | always joined | the rule | joined by the rule |")
    print("|---|---|---|---|---|---|")
    with progress() as bar, open_workshop(DataFolder(given.data), encoder_source("minilm", "int8"), bar) as shop:
        for name in SETS:
            utterances = _utterances(given.sets / name, shop)
            for case, conversations in _cases(in_scope(given.sets / name / "validation.jsonl")).items():
                cells = " | ".join(f"{share:.3f}" for share in _shares(conversations, utterances, shop))
                print(f"| {name} | {case} | {cells} |", flush=True)


def _cases(rows: list[tuple[str, str]]) -> dict[str, list[Conversation]]:
    chance = random.Random(SEED)  # noqa: S311  nothing secret hangs on it
    switches = [Conversation(a, b, route) for (a, _), (b, route) in _pairs(rows, chance, same=False)]
    return {
        "switch": switches,
        'switch, "and"': [
            Conversation(one.previous, f"{chance.choice(('and', 'also', 'but'))} {one.last}", one.route)
            for one in switches
        ],
        "same topic": [Conversation(a, b, route) for (a, _), (b, route) in _pairs(rows, chance, same=True)],
        "elliptic": _followed(rows, FOLLOW_UPS, chance),
        "elliptic, new": _followed(rows, NEW_FOLLOW_UPS, chance),
        "elliptic, other": _followed(rows, OTHER_FOLLOW_UPS, chance),
    }


def _pairs(
    rows: list[tuple[str, str]], chance: random.Random, *, same: bool
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Two different texts, of one route or of two."""
    by_route: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        by_route.setdefault(row[1], []).append(row)
    found = 0
    while found < CONVERSATIONS:
        first = chance.choice(rows)
        second = chance.choice(by_route[first[1]] if same else rows)
        if first[0] != second[0] and same == (first[1] == second[1]):
            found += 1
            yield first, second


def _followed(rows: list[tuple[str, str]], follow_ups: Sequence[str], chance: random.Random) -> list[Conversation]:
    chosen = [chance.choice(rows) for _ in range(CONVERSATIONS)]
    return [
        Conversation(text, follow_ups[place % len(follow_ups)], route) for place, (text, route) in enumerate(chosen)
    ]


def _shares(conversations: list[Conversation], utterances: Utterances, shop: Workshop) -> tuple[float, ...]:
    """Right by the last turn alone, always joined and by the rule; joined by the rule."""
    alone = [one.last for one in conversations]
    joined = [f"{one.previous}\n{one.last}" for one in conversations]
    decided = [_decided(one) for one in conversations]
    right = []
    for texts in (alone, joined, decided):
        vectors = vectorise(texts, shop.plain.embedders, shop.cache, NoProgress())
        best = _best_routes(vectors, utterances)
        right.append(sum(a == b.route for a, b in zip(best, conversations, strict=True)) / len(conversations))
    return (*right, sum(a != b for a, b in zip(alone, decided, strict=True)) / len(conversations))


def _decided(one: Conversation) -> str:
    decided = deciding_text([Turn(Role.USER, one.previous), Turn(Role.USER, one.last)])
    return decided.text if decided else ""


def _utterances(folder: Path, shop: Workshop) -> Utterances:
    rows = in_scope(folder / "train_10shot.jsonl")
    names = sorted({route for _, route in rows})
    exemplars = [Exemplar(text, names.index(route)) for text, route in rows]
    return Utterances(
        exemplars, names, vectorise([text for text, _ in rows], shop.plain.embedders, shop.cache, NoProgress())
    )


def _best_routes(vectors: Vectors, utterances: Utterances) -> list[str]:
    """The best route of each text: the only place that knows the scorer."""
    similarities = vectors @ utterances.vectors.T
    nearest = np.argsort(-similarities, axis=1, kind="stable")[:, : DEFAULT_VOTE.neighbours]
    best = []
    for ids, line in zip(nearest, similarities, strict=True):
        found = Found([Neighbour(int(number), float(line[number])) for number in ids])
        best.append(utterances.names[score(found, utterances.exemplars, DEFAULT_VOTE).routes[0].route])
    return best


if __name__ == "__main__":
    main()
