"""A text's vector: the same bytes whatever is embedded beside it, and the model's own within what is promised."""

import io
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tokenizers import Tokenizer

from fingerpost.backends.encoder.embedder import OnnxEmbedder, OnnxEncoder, TextReader
from fingerpost.backends.encoder.folder import TOKENIZER, EncoderFolder
from fingerpost.backends.encoder.source import EncoderSource, Precision, locate
from fingerpost.backends.vector_cache import SqliteVectorCache
from fingerpost.build.vectorise import vectorise
from fingerpost.errors import ErrorReason, InvalidRequest
from fingerpost.ports import NoProgress

WORDS = [
    "route",
    "the",
    "request",
    "to",
    "a",
    "model",
    "that",
    "can",
    "answer",
    "naïve",
    "東京",
    "🎉",
    "SELECT",
    "x",
    "!=",
    "1;",
    "def",
    "f():",
    "4711",
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join),
    st.text(min_size=1, max_size=80).filter(lambda text: any(c.isascii() and c.isalnum() for c in text)),
)
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def embedder(encoder: OnnxEncoder) -> OnnxEmbedder:
    return encoder.embedder()


@pytest.fixture(scope="session")
def stored(encoders_folder: Path, encoder_digest: str) -> EncoderFolder:
    return EncoderFolder.open(encoders_folder / encoder_digest, encoder_digest)


@pytest.fixture(scope="session")
def fp32_embedder(stored: EncoderFolder) -> OnnxEmbedder:
    reader = TextReader(stored.manifest, stored.read(TOKENIZER))
    return OnnxEmbedder(stored.encoder, reader, stored.read(Precision.FP32.model_file))


@SLOW
@given(texts=st.lists(TEXTS, min_size=1, max_size=12))
def test_a_vector_never_depends_on_its_neighbours(embedder: OnnxEmbedder, texts: list[str]) -> None:
    """A text has the same bytes alone, among others in any order, and every vector has unit length."""
    alone = np.stack([embedder.embed_one(text).vector for text in texts])
    assert embedder.embed(texts).tobytes() == alone.tobytes()
    assert embedder.embed(texts[::-1])[::-1].tobytes() == alone.tobytes()
    assert np.abs(np.linalg.norm(alone.astype(np.float64), axis=1) - 1).max() < 1e-5


@settings(SLOW, max_examples=5)
@given(texts=st.lists(TEXTS, min_size=20, max_size=40))
def test_a_vector_is_the_same_under_load(encoder: OnnxEncoder, embedder: OnnxEmbedder, texts: list[str]) -> None:
    """Four threads with an embedder each, all texts at once, give the bytes that one thread gives."""
    expected = embedder.embed(texts).tobytes()
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda one: one.embed(texts).tobytes(), [encoder.embedder() for _ in range(4)])
    assert set(found) == {expected}


@settings(SLOW, max_examples=5)
@given(texts=st.lists(TEXTS, min_size=1, max_size=150))
def test_vectorising_equals_embedding(
    encoder: OnnxEncoder, embedder: OnnxEmbedder, tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Threads, repeated texts and the cache change nothing: the rows are those of the embedder, twice over."""
    expected = embedder.embed(texts).tobytes()
    workers = [encoder.embedder(), encoder.embedder()]
    with SqliteVectorCache(tmp_path_factory.mktemp("cache") / "vectors.sqlite") as cache:
        for _ in range(2):
            assert vectorise(texts + texts, workers, cache, NoProgress()).tobytes() == expected * 2


@pytest.mark.parametrize("filler", ["a", "a b ", "🎉", "東", "x\n", "\u0301e"])
def test_a_huge_text_costs_no_more_than_a_long_one(embedder: OnnxEmbedder, filler: str) -> None:
    """A text of a million characters takes about as long as one of eight thousand."""

    def seconds(size: int) -> float:
        text = (filler * size)[:size]
        start = time.thread_time()  # other load on the machine does not count
        assert embedder.embed_one(text).truncated
        return time.thread_time() - start

    seconds(8_000)
    rounds = [(seconds(8_000), seconds(1_000_000)) for _ in range(7)]
    assert min(huge for _, huge in rounds) <= 1.3 * min(long for long, _ in rounds) + 0.002


def test_a_long_text_keeps_head_and_tail(embedder: OnnxEmbedder) -> None:
    """What stands first and last is embedded, the middle is dropped, and what was embedded is told."""
    text = "alpha " + "filler words here " * 5_000 + "omega"
    embedded = embedder.embed_one(text)
    assert embedded.truncated
    assert embedded.text.startswith("alpha filler")
    assert embedded.text.endswith("here omega")
    assert embedded.token_count == embedder.max_tokens
    head, tail = (len(part.split()) for part in (embedded.text[: len(embedded.text) * 2 // 3], embedded.text))
    assert abs(head / tail - 2 / 3) < 0.05


@pytest.mark.parametrize("change", ["beta", "omega psi"])
def test_head_and_tail_both_matter(embedder: OnnxEmbedder, change: str) -> None:
    """Another word at either end of a huge text gives another vector; one in its middle does not."""
    filler = "some filler words " * 5_000
    plain = embedder.embed_one(f"alpha {filler} omega").vector
    assert (plain != embedder.embed_one(f"{change} {filler} omega").vector).any()
    assert (plain != embedder.embed_one(f"alpha {filler} {change}").vector).any()


def test_blanks_around_do_not_push_the_content_out(embedder: OnnxEmbedder) -> None:
    """A short text in a flood of blanks is read whole."""
    embedded = embedder.embed_one(" \n" * 10_000 + "hello there" + "\t" * 10_000)
    assert (embedded.text, embedded.truncated) == ("hello there", False)


def test_a_short_text_is_embedded_as_it_is(embedder: OnnxEmbedder) -> None:
    """A text within the window comes back unchanged, blanks included, and its tokens are counted."""
    embedded = embedder.embed_one("  Hello there ")
    assert (embedded.text, embedded.truncated, embedded.token_count) == ("  Hello there ", False, 4)


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u200b", "\x00", " " * 1_000_000])
def test_a_text_without_tokens_is_refused(embedder: OnnxEmbedder, text: str) -> None:
    """A text of which the tokenizer reads nothing is PROMPT_EMPTY, naming the field."""
    with pytest.raises(InvalidRequest) as caught:
        embedder.embed_one(text)
    assert (caught.value.reason, caught.value.fields[0].field) == (ErrorReason.PROMPT_EMPTY, "text")


def test_half_a_surrogate_pair_is_no_fault(embedder: OnnxEmbedder) -> None:
    """A lone surrogate, which no UTF-8 holds, is read as a question mark."""
    assert embedder.embed_one("hi \ud83c").text == "hi ?"


def test_vectorising_names_the_text_that_cannot_be_read(encoder: OnnxEncoder, tmp_path: Path) -> None:
    """An empty text among good ones is refused by its position, and the others of its chunk cost nothing twice."""
    with (
        SqliteVectorCache(tmp_path / "vectors.sqlite") as cache,
        pytest.raises(InvalidRequest, match="text 2") as caught,
    ):
        vectorise(["one", "two", "  ", "three"], [encoder.embedder()], cache, NoProgress())
    assert caught.value.fields[0].field == "texts[2]"


def test_vectorising_nothing_gives_no_rows(encoder: OnnxEncoder, tmp_path: Path) -> None:
    """No texts give an array of no rows and the encoder's dimensions."""
    with SqliteVectorCache(tmp_path / "vectors.sqlite") as cache:
        assert vectorise([], [encoder.embedder()], cache, NoProgress()).shape == (0, encoder.encoder.dim)


def test_a_poisoned_cache_is_not_believed(encoder: OnnxEncoder, embedder: OnnxEmbedder, tmp_path: Path) -> None:
    """Cached vectors of the wrong length or shape, or not finite, are embedded again."""
    bad = [np.ones(3), np.zeros(384), np.full(384, np.nan), np.full(384, np.inf), np.ones(384)]
    texts = [f"text {number}" for number in range(len(bad))]
    with SqliteVectorCache(tmp_path / "vectors.sqlite") as cache:
        cache.put(embedder.id, dict(zip(texts, [vector.astype(np.float32) for vector in bad], strict=True)))
        found = vectorise(texts, [encoder.embedder()], cache, NoProgress())
    assert found.tobytes() == embedder.embed(texts).tobytes()


def test_the_packaged_tokenizer_neither_pads_nor_cuts(stored: EncoderFolder) -> None:
    """Padding and truncation, baked into the published tokenizer, are off in the stored one."""
    tokenizer = Tokenizer.from_buffer(stored.read(TOKENIZER))
    assert (tokenizer.padding, tokenizer.truncation) == (None, None)
    assert len(tokenizer.encode("word " * 1_000).ids) == 1_002
    assert len(tokenizer.encode("word").ids) == 3


@pytest.fixture(scope="session")
def reference() -> Any:
    """The published model on torch."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(locate(EncoderSource()).path_or_id, device="cpu", local_files_only=True)


def cosines(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> Sequence[float]:
    return [float(value) for value in np.einsum("ij,ij->i", found, expected)]


def test_a_text_of_two_hundred_tokens_agrees_with_sentence_transformers(
    fp32_embedder: OnnxEmbedder, reference: Any
) -> None:
    """A long text within the window is not cut, and its vector is sentence-transformers' own."""
    text = " ".join(WORDS[number % 8] for number in range(200))
    embedded = fp32_embedder.embed_one(text)
    assert (embedded.truncated, embedded.token_count) == (False, 202)
    expected = reference.encode([text], normalize_embeddings=True)
    assert cosines(embedded.vector[None], expected)[0] > 0.9999


@pytest.mark.parametrize("length", [1, 2, 253, 254])
def test_every_length_within_the_window_agrees(fp32_embedder: OnnxEmbedder, reference: Any, length: int) -> None:
    """From one token to the full window the graph agrees with torch."""
    text = " ".join(WORDS[number % 8] for number in range(length))
    expected = reference.encode([text], normalize_embeddings=True)
    assert cosines(fp32_embedder.embed([text]), expected)[0] > 0.9999


def test_npy_files_cannot_carry_code(stored: EncoderFolder) -> None:
    """The stored canaries load without pickle and have the promised shape."""
    data = np.load(io.BytesIO(stored.read(Precision.INT8.canary_file)), allow_pickle=False)
    assert (data.dtype, data.shape[1]) == (np.float32, stored.manifest.dim)
