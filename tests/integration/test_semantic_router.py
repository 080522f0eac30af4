"""The baseline decides as the real semantic-router does, in silence, and says so when it is not there."""

import subprocess
import sys

import numpy as np
import pytest

from fingerpost.integrations.semantic_router import BaselineDecision, baseline_decisions
from fingerpost.types import OUT_OF_SCOPE, Exemplar, Vectors

ROUTES = ("code", "maths", "empty")
TEXTS = (("sort a list", 0), ("fix my loop", 0), ("add two numbers", 1), ("solve for x", 1), ("hello", OUT_OF_SCOPE))
EXEMPLARS = [Exemplar(text, route) for text, route in TEXTS]


def at(*degrees: float) -> Vectors:
    """Unit vectors of the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


OWN = at(0, 10, 80, 90, 45)


def test_the_best_route_has_the_highest_mean_cosine() -> None:
    """A route's score is the mean cosine of its utterances among the nearest; without a threshold the best passes."""
    code, maths = baseline_decisions(EXEMPLARS, OWN, ROUTES, ["near code", "near maths"], at(5, 82))
    assert (code.best, code.decided) == ("code", "code")
    assert code.score == pytest.approx(np.cos(np.radians(5)), abs=1e-6)
    assert (maths.best, maths.decided) == ("maths", "maths")
    assert maths.score == pytest.approx((np.cos(np.radians(2)) + np.cos(np.radians(8))) / 2, abs=1e-6)


def test_one_near_utterance_beats_a_mean_of_near_and_far() -> None:
    """Only the five nearest count, so a lone utterance among them competes with the mean of the others."""
    exemplars = [Exemplar(f"a {n}", 0) for n in range(4)] + [Exemplar("b", 1)]
    (decision,) = baseline_decisions(exemplars, at(1, 2, 60, 70, 8), ROUTES, ["text"], at(0))
    assert decision.best == "maths"


def test_out_of_scope_texts_take_no_part() -> None:
    """A case at the very place of an out-of-scope text still gets a route: the library knows routes only."""
    (decision,) = baseline_decisions(EXEMPLARS, OWN, ROUTES, ["hello"], at(45))
    assert decision.best in {"code", "maths"}


def test_a_negative_score_still_has_a_best_route() -> None:
    """An opposite text is decided too, at a score of 0 or less."""
    (decision,) = baseline_decisions(EXEMPLARS, OWN, ROUTES, ["opposite"], at(225))
    assert decision.best is not None
    assert decision.score is not None
    assert decision.score <= 0


def test_a_catalog_without_routes_decides_nothing() -> None:
    """With out-of-scope texts alone, or nothing at all, no case gets a route."""
    nothing = BaselineDecision(None, None, None)
    assert baseline_decisions(EXEMPLARS[4:], OWN[4:], ROUTES, ["a", "b"], at(1, 2)) == [nothing, nothing]
    assert baseline_decisions([], at(), ROUTES, ["a"], at(1)) == [nothing]
    assert baseline_decisions(EXEMPLARS, OWN, ROUTES, [], at()) == []


_QUIET = """
import sys
calls = []
network = {"socket.connect", "socket.sendto", "socket.getaddrinfo"}
sys.addaudithook(lambda event, arguments: calls.append(event) if event in network else None)
import logging, numpy as np
from fingerpost.integrations.semantic_router import baseline_decisions
from fingerpost.types import Exemplar
assert "semantic_router" not in sys.modules
vectors = np.eye(2, dtype=np.float32)
(one,) = baseline_decisions([Exemplar("a", 0), Exemplar("b", 1)], vectors, ("x", "y"), ["c"], vectors[:1])
assert one.best == "x", one
assert "semantic_router" in sys.modules and "torch" not in sys.modules
assert not logging.root.handlers
assert not calls, calls
"""

_ABSENT = """
import sys
sys.modules["semantic_router"] = None
import numpy as np
from fingerpost.errors import FailedPrecondition
from fingerpost.integrations.semantic_router import baseline_decisions
try:
    baseline_decisions([], np.empty((0, 2), np.float32), (), ["a"], np.eye(2, dtype=np.float32)[:1])
except FailedPrecondition as error:
    print(error.message)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=100)


def test_the_baseline_is_silent_and_offline() -> None:
    """It imports the library when it is asked, prints nothing, connects nowhere and leaves logging alone."""
    done = run(_QUIET)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_library_names_the_extra() -> None:
    """Without the package the error says what to install."""
    done = run(_ABSENT)
    assert done.stdout.strip().endswith("pip install 'fingerpost[semantic-router]'"), done.stderr
