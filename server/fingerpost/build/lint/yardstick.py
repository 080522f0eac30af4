"""Yardstick: how similar does this encoder find two texts that say the same?

No cosine means the same to two encoders, so none is written down. Instead some of the catalog's own texts are varied in
ways that change no meaning, and the similarities of texts and variants are what other pairs are measured by. Short
texts lie further from their variants than long ones: `benchmarks/quality/misplaced.py` prints .96 and .92 for
CLINC150's training texts of ten a route, .91 and .85 for HWU64's.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fingerpost.serve.score import EXACT_SIMILARITY
from fingerpost.types import Vectors

SAMPLE_TEXTS = 128
"""Texts that are varied: 256 more vectors, which the cache keeps."""

_QUANTILE = 0.1  # nine of ten variants are at least so near to their texts


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Similarities, [-1, 1], at and above which two texts count as one."""

    same: float  # as near as a text is to itself with another full stop
    alike: float  # as near as a text is to itself said politely; less than `same`


def measure_yardstick(
    texts: Sequence[str], vectors: Vectors, vectors_of: Callable[[Sequence[str]], Vectors]
) -> Yardstick:
    """Vary some texts and compare.

    Args:
        texts: n distinct texts, at least one.
        vectors: Theirs: shape (n, dim), float32, unit rows.
        vectors_of: Embeds others.
    """
    chosen = _sample(texts)
    own = vectors[chosen]
    varied = [[vary(texts[row]) for row in chosen] for vary in (_punctuated, _polite)]
    same, alike = (float(np.quantile(np.einsum("ij,ij->i", own, vectors_of(group)), _QUANTILE)) for group in varied)
    same = min(same, EXACT_SIMILARITY)  # of an encoder that reads no full stops
    return Yardstick(same, min(alike, same))


def _sample(texts: Sequence[str]) -> list[int]:
    """Rows by the digests of their texts, so that one more text changes at most one of them."""
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return sorted(range(len(texts)), key=digests.__getitem__)[:SAMPLE_TEXTS]


def _punctuated(text: str) -> str:
    bare = text.rstrip(".?!")
    return bare if bare != text and any(map(str.isalnum, bare)) else f"{text}."


def _polite(text: str) -> str:
    return f"please {text}"
