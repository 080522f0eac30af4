"""What semantic-router's IndexedRouter would decide on the same vectors: the baseline of an evaluation."""

import asyncio
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.ports import NoProgress, Progress
from fingerpost.types import OUT_OF_SCOPE, Exemplar, Vector, Vectors

_SILENT: Progress = NoProgress()


@dataclass(frozen=True, slots=True)
class BaselineDecision:
    """What it decided for one case; nothing is set when the catalog has no route."""

    best: str | None  # the first route before any threshold
    decided: str | None  # the route that passed; with the library's defaults there is no threshold and all pass
    score: float | None  # of `best`: mean cosine of its utterances among the nearest, [-1, 1]; not a probability


def require_installed() -> None:
    """Say that the library is missing before anything slow is done.

    Raises:
        FailedPrecondition: semantic-router is not installed.
    """
    if importlib.util.find_spec("semantic_router") is None:
        raise FailedPrecondition(
            "the baseline semantic-router is not installed: pip install 'fingerpost[semantic-router]'",
            ErrorReason.INVALID_FIELD,
        )


def baseline_decisions(
    exemplars: Sequence[Exemplar],
    exemplar_vectors: Vectors,
    route_names: Sequence[str],
    case_texts: Sequence[str],
    case_vectors: Vectors,
    progress: Progress = _SILENT,
) -> list[BaselineDecision]:
    """Route every case with an IndexedRouter as its constructor makes it; blocks, and needs a thread without a loop.

    Out-of-scope texts are left out: the library knows routes only.

    Args:
        exemplars: n utterances; their routes are numbers of `route_names`.
        exemplar_vectors: Shape (n, dim), float32, unit rows.
        route_names: By number.
        case_texts: m texts. A text that is an utterance too must have the same vector.
        case_vectors: Shape (m, dim), float32, unit rows.
        progress: Hears the step "semantic-router", counted in cases; 15,000 utterances take about 10 ms a case.

    Raises:
        FailedPrecondition: semantic-router is not installed.
    """
    texts: dict[str, list[str]] = {name: [] for name in route_names}
    vectors: dict[str, Vector] = dict(zip(case_texts, case_vectors, strict=True))
    for exemplar, vector in zip(exemplars, exemplar_vectors, strict=True):
        if exemplar.route != OUT_OF_SCOPE:
            texts[route_names[exemplar.route]].append(exemplar.text)
            vectors[exemplar.text] = vector
    router = _router({name: own for name, own in texts.items() if own}, vectors)
    if not router.routes:
        return [BaselineDecision(None, None, None) for _ in case_texts]
    progress.step("semantic-router", len(case_texts))
    return asyncio.run(_decisions(router, case_texts, progress))


async def _decisions(router: Any, texts: Sequence[str], progress: Progress) -> list[BaselineDecision]:  # noqa: ANN401
    decisions = []
    for text in texts:
        decisions.append(await _decision(router, text))
        progress.advance()
    return decisions


async def _decision(router: Any, text: str) -> BaselineDecision:  # noqa: ANN401
    passed = await router.acall(text)
    # A threshold under every cosine shows the best route whether or not it passes.
    best = passed if passed.name is not None else await router.acall(text, threshold=-2.0)
    return BaselineDecision(best.name, passed.name, best.confidence)


def _router(texts: Mapping[str, Sequence[str]], vectors: Mapping[str, Vector]) -> Any:  # noqa: ANN401
    """An IndexedRouter with the library's own settings, whose encoder looks the vectors up."""
    require_installed()
    from semantic_router import IndexedRouter, Route
    from semantic_router.encoders import DenseEncoder

    class Known(DenseEncoder):  # type: ignore[misc]  # the library is not typed for us
        def __call__(self, docs: list[str]) -> list[Vector]:
            return [vectors[text] for text in docs]

        async def acall(self, docs: list[str]) -> list[Vector]:
            return self(docs)

    routes = [Route(name=name, utterances=list(own)) for name, own in texts.items()]
    return IndexedRouter(encoder=Known(name="known vectors"), routes=routes)
