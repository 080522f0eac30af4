"""The same request in another spelling: is it decided alike?"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from compare import share
from systems import Served

_TYPO_LETTERS = 4  # a word this long takes a typo: in a shorter one it often makes another word
_MARKS = ".?!"

Spelling = Callable[[str, random.Random], str]


def _punctuation(text: str, _draw: random.Random) -> str:
    """Without the mark at the end, or with one where there was none."""
    return text.rstrip(_MARKS).rstrip() if text.endswith(tuple(_MARKS)) else f"{text}."


def _typo(change: Callable[[str, int], str]) -> Spelling:
    def spelled(text: str, draw: random.Random) -> str:
        words = text.split(" ")
        long = [i for i, word in enumerate(words) if len(word) >= _TYPO_LETTERS and word.isalpha()]
        if not long:
            return text
        chosen = draw.choice(long)
        words[chosen] = change(words[chosen], draw.randrange(1, len(words[chosen]) - 1))
        return " ".join(words)

    return spelled


SPELLINGS: dict[str, Spelling] = {
    "lower case": lambda text, _: text.lower(),
    "upper case": lambda text, _: text.upper(),
    "title case": lambda text, _: text.title(),
    "mark at the end added or removed": _punctuation,
    "two letters swapped": _typo(lambda word, i: word[:i] + word[i + 1] + word[i] + word[i + 2 :]),
    "a letter dropped": _typo(lambda word, i: word[:i] + word[i + 1 :]),
    "a letter doubled": _typo(lambda word, i: word[:i] + word[i] + word[i:]),
    "please ...": lambda text, _: f"please {text}",
    "hi, could you ... thanks": lambda text, _: f"hi, could you {text} thanks",
}


def measure_robustness(served: Served, texts: Sequence[str], count: int) -> dict[str, Any]:
    """For each spelling, how many of a seeded sample of the texts keep their best route and their decision.

    Texts that a spelling leaves as they are do not count.
    """
    draw = random.Random(count)  # noqa: S311  # a seeded sample is no secret
    sample = draw.sample(sorted(set(texts)), min(count, len(set(texts))))
    plain = served.ask(sample)
    found = {}
    for name, spell in SPELLINGS.items():
        spelled = [spell(text, draw) for text in sample]
        changed = [i for i, text in enumerate(spelled) if text != sample[i]]
        answers = served.ask([spelled[i] for i in changed])
        best = sum(answers.best[n] == plain.best[i] for n, i in enumerate(changed))
        decided = sum(answers.decided[n] == plain.decided[i] for n, i in enumerate(changed))
        found[name] = {"same_best": share(best, len(changed)), "same_decision": share(decided, len(changed))}
    return found
