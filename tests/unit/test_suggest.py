"""Suggest: held-out kinds of texts come back as routes, unsure ones as utterances of theirs, known ones not at all."""

import json

import numpy as np
import pytest

from fingerpost.bootstrap.opening import retriever_of
from fingerpost.bootstrap.planning import plan_of
from fingerpost.build.load import load
from fingerpost.build.reindex import reindex
from fingerpost.build.study import Study
from fingerpost.build.suggest.suggest import Suggestions, fresh_texts, suggest, uncertainty
from fingerpost.build.suggest.traffic import Asked
from fingerpost.ports import NoProgress
from fingerpost.serve.revision_format import decode
from fingerpost.types import Catalog, Text
from tests.fakes import MemoryCache
from tests.route_folders import write_folder
from tests.workshops import workshop

SHARED = [f"word{number}" for number in range(30)]
KNOWN = [f"known{number}" for number in range(10)]
ADDRESS = "jane.doe@gmail.com"
HELD_OUT = ["poems", "trade", "travel"]


def texts_of(kind: str, count: int, seed: int) -> list[str]:
    """Texts of words of the kind's own, mixed with words that all kinds use."""
    random = np.random.default_rng([seed, *kind.encode()])
    own = [f"{kind}{letter}" for letter in "abc"]
    return [
        " ".join([*random.permutation(own), *random.choice(own, 2), *random.choice(SHARED, 2)]) for _ in range(count)
    ]


def written_for(kind: str) -> list[str]:
    """The utterances of a kind."""
    return [f"{text} {ADDRESS}" if kind == KNOWN[-1] else text for text in texts_of(kind, 12, 0)]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Catalog]:
    """A published catalog of ten kinds of texts, the last of which hold an address, and its route files."""
    folder = tmp_path_factory.mktemp("suggest")
    files = {
        f"{kind}.yaml": json.dumps({"model": "coder", "utterances": written_for(kind), "tests": ["a test"] * (not n)})
        for n, kind in enumerate(KNOWN)
    }
    routes = write_folder(folder / "routes", files)
    shop = workshop(folder)
    made = reindex(routes, "default", shop)
    revision = decode(made.activation.revision, shop.revisions.read(made.activation.revision))
    study = Study(
        made.activation.revision,
        revision,
        plan_of(revision.decider),
        None,
        retriever_of(revision, shop.plain),
        MemoryCache(),
        NoProgress(),
    )
    return study, load(routes).catalog


def suggested(texts: list[str], opened: tuple[Study, Catalog], taken: list[str] | None = None) -> Suggestions:
    asked = [Asked(Text(text, "asked.txt", number), 1) for number, text in enumerate(dict.fromkeys(texts), 1)]
    study, catalog = opened
    return suggest(asked, fresh_texts(asked, study, catalog), study, taken or [])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_held_out_kinds_become_routes(opened: tuple[Study, Catalog], seed: int) -> None:
    """Among known kinds and noise, each kind without a route is suggested as one, named by its words."""
    random = np.random.default_rng(seed)
    mixed = [text for kind in (*KNOWN, *HELD_OUT) for text in texts_of(kind, 15, seed)]
    mixed += [" ".join(f"noise{n}" for n in random.integers(0, 10_000, 4)) for _ in range(5)]
    random.shuffle(mixed)
    found = suggested(mixed, opened)
    for kind in HELD_OUT:
        own = set(texts_of(kind, 15, seed))
        [new] = [new for new in found.new_routes if len(own & set(new.members)) * 2 >= len(own)]
        assert len(own & set(new.members)) >= 0.6 * new.texts
        assert kind in new.name
        assert {one.text for one in new.utterances} <= set(new.members)
    offered = [(one.route, text.text) for one in found.for_routes for text in one.utterances]
    assert sum(route in text for route, text in offered) >= 0.8 * len(offered)


def test_every_text_is_counted_once(opened: tuple[Study, Catalog]) -> None:
    """What is known, sure, suggested, noise and left out are all the texts."""
    mixed = (
        [text for kind in (*KNOWN, *HELD_OUT) for text in texts_of(kind, 8, 5)] + texts_of(KNOWN[0], 3, 0) + ["A Test"]
    )
    found = suggested(mixed, opened)
    used = sum(one.texts for one in found.for_routes) + sum(one.texts for one in found.new_routes)
    assert found.known >= 2
    assert found.texts == found.known + found.sure + found.unsure + found.fell_back
    assert found.unsure + found.fell_back == used + found.noise + found.left_out


def test_a_nearest_utterance_is_shown_without_what_is_sensitive(opened: tuple[Study, Catalog]) -> None:
    """An address in an utterance is named, not repeated."""
    mixed = [text for kind in (*KNOWN, *HELD_OUT) for text in texts_of(kind, 15, 1)]
    found = suggested(mixed, opened)
    offered = [*(one.utterances for one in found.for_routes), *(one.utterances for one in found.new_routes)]
    nearest = [text.nearest for texts in offered for text in texts]
    assert any("[e-mail address]" in text for text in nearest)
    assert not any(ADDRESS in text for text in nearest)


def test_a_taken_name_is_not_suggested(opened: tuple[Study, Catalog]) -> None:
    """A new route has another name than those in use."""
    texts = texts_of("poems", 15, 7)
    [name] = [new.name for new in suggested(texts, opened).new_routes]
    [other] = [new.name for new in suggested(texts, opened, [name.upper()]).new_routes]
    assert other == f"{name}_2"


def test_nothing_asked_nothing_suggested(opened: tuple[Study, Catalog]) -> None:
    """No texts, no suggestions."""
    found = suggested([], opened)
    assert (found.texts, found.for_routes, found.new_routes, found.noise) == (0, (), (), 0)


def test_an_utterance_is_less_uncertain_than_noise(opened: tuple[Study, Catalog]) -> None:
    """What is not known of a text lies between 0 and 1, and is most where two routes are as likely."""
    study, _ = opened
    known, noise = study.opinions([Text(texts_of(KNOWN[0], 1, 0)[0], "", 1), Text("noise1 noise2 noise3", "", 2)])
    assert 0.0 <= uncertainty(known) < uncertainty(noise) <= 1.0
