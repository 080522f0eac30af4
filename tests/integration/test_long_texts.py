"""A text beyond the window: besides the whole, its two ends are embedded, so that what is asked there counts."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fingerpost.backends.encoder.embedder import OnnxEmbedder, OnnxEncoder, TextReader
from fingerpost.backends.encoder.folder import TOKENIZER, EncoderFolder
from fingerpost.backends.encoder.source import Precision
from fingerpost.types import Vector

FILLER = (
    "The harbour lay quiet under a low sky, and the boats, which had come in before the storm, knocked against the "
    "wooden piles while the men on the quay spoke of other winters and mended the nets that the rocks had torn. "
) * 40
WORDS = (
    "translate",
    "shorten",
    "naïve",
    "these",
    "lines",
    "into",
    "東京",
    "4711",
    "for",
    "me",
    "f(x)",
    "a-b",
    "please",
)
LINES = st.lists(st.sampled_from(WORDS), min_size=6, max_size=12).map(" ".join)
SLOW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def embedder(encoder: OnnxEncoder) -> OnnxEmbedder:
    return encoder.embedder()


def same_as_alone(embedder: OnnxEmbedder, text: str, head: str, tail: str) -> bool:
    """Whether the ends of the text have the very bytes that these two pieces have alone."""
    found = [end.tobytes() for end in embedder.embed_one(text).ends]
    return found == [embedder.embed_one(piece).vector.tobytes() for piece in (head, tail)]


@SLOW
@given(head=LINES, tail=LINES, before=st.sampled_from(["\n", "\r\n", "\n \n", ": ", ". ", "? "]))
def test_ends_are_embedded_as_if_alone(embedder: OnnxEmbedder, head: str, tail: str, before: str) -> None:
    """The first and the last line or sentence have the bytes that they have alone, whatever stands between them."""
    text = f"{head}{before}{FILLER}\n{tail}"
    assert same_as_alone(embedder, text, head + before.strip(), tail)
    assert same_as_alone(embedder, text.replace("harbour", "station"), head + before.strip(), tail)


@SLOW
@given(lines=st.lists(LINES, min_size=60, max_size=80))
def test_ends_change_nothing_else(embedder: OnnxEmbedder, lines: list[str]) -> None:
    """Among others and embedded again, a long text keeps the bytes of its vector and of its ends."""
    text = "\n".join(lines)
    first = embedder.embed_one(text)
    rows = embedder.embed([lines[0], text, lines[1]])
    again = embedder.embed_one(text)
    assert rows[1].tobytes() == first.vector.tobytes() == again.vector.tobytes()
    assert [end.tobytes() for end in first.ends] == [end.tobytes() for end in again.ends] != []


@pytest.mark.parametrize("words", [1, 100, 254])
def test_a_text_inside_the_window_has_no_ends(embedder: OnnxEmbedder, words: int) -> None:
    """A text that is read whole is embedded once."""
    assert embedder.embed_one("word " * words).ends == ()


def test_one_token_too_many_gives_ends(embedder: OnnxEmbedder) -> None:
    """From the first text that loses a token on, there are ends."""
    assert len(embedder.embed_one("word " * 255).ends) == 2


@pytest.mark.parametrize("before", ["\n\n", ": ", ". "])
@pytest.mark.parametrize("at_head", [True, False])
def test_an_instruction_at_either_end_counts(embedder: OnnxEmbedder, before: str, *, at_head: bool) -> None:
    """An instruction beside two thousand tokens is found by one of the ends, where the whole text hides it."""
    asked, instruction = "translate this into japanese", "now translate all this to japanese"
    text = f"{instruction}{before}{FILLER}" if at_head else f"{FILLER.strip(' .')}{before}{instruction}"
    wanted = embedder.embed_one(asked).vector
    embedded = embedder.embed_one(text)
    assert float(embedded.vector @ wanted) < 0.5
    assert max(float(end @ wanted) for end in embedded.ends) > 0.7


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        ("Hi there!\nplease book a table for two", "please book a table for two\nThanks!"),
        ("Dear all,\n\nplease book a table for two", "Question: how is the weather in Rome\nAnswer:"),
        ("a.\nb.\nc.\nd. please book a table for two", "please book a table for two.\n1.\n2.\n3."),
    ],
)
def test_a_greeting_is_no_end(embedder: OnnxEmbedder, head: str, tail: str) -> None:
    """What is too short to ask for anything is read together with the line beside it."""
    embedded = embedder.embed_one(f"{head}\n{FILLER}\n{tail}")
    assert float(embedded.ends[0] @ embedder.embed_one(head).vector) > 0.9999
    assert float(embedded.ends[1] @ embedder.embed_one(tail.split(": ")[-1]).vector) > 0.9999


@pytest.mark.parametrize("word", ["harbour", "quayside", "netmending", "overwintering"])
def test_of_a_long_sentence_only_whole_words_are_read(embedder: OnnxEmbedder, word: str) -> None:
    """An end without any boundary gives some of its outermost words, none of them cut, however long they are."""
    ends = embedder.embed_one(f"first {f'{word} ' * 2_000} last").ends
    counts = range(3, 16)
    heads = [embedder.embed_one("first" + f" {word}" * count).vector.tobytes() for count in counts]
    tails = [embedder.embed_one(f"{word} " * count + "last").vector.tobytes() for count in counts]
    assert ends[0].tobytes() in heads
    assert ends[1].tobytes() in tails


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        ("请把下面的全部内容翻译成英文。", "现在请把以上全部内容总结一下！"),
        ("निम्नलिखित पाठ का अनुवाद करें।", "अब इस पाठ का सारांश लिखें"),
    ],
)
def test_sentences_of_other_scripts_end_too(embedder: OnnxEmbedder, head: str, tail: str) -> None:
    """A full stop that is no ASCII one, with or without a blank after it, bounds an end."""
    assert same_as_alone(embedder, f"{head}{FILLER}{head}{tail}", head, tail)


def finite_units(ends: tuple[Vector, ...]) -> bool:
    return all(abs(float(np.linalg.norm(end.astype(np.float64))) - 1) < 1e-5 for end in ends)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "x1" * 600 + "\U0001f389" * 5_000,
        "東" * 5_000,
        "." * 5_000,
        ".\n" * 5_000,
        "。" * 5_000,
        "\u0301e" * 5_000,
        "[MASK]" * 5_000,
        "\ud83c \udf89 " * 3_000,
        "\u200b" * 1_000 + "hello there " * 500 + "\x00" * 1_000,
    ],
)
def test_any_long_text_has_usable_ends(embedder: OnnxEmbedder, text: str) -> None:
    """Without blanks, letters or valid characters, what ends there are have unit length."""
    embedded = embedder.embed_one(text)
    assert embedded.truncated
    assert len(embedded.ends) <= 2
    assert finite_units(embedded.ends)


def test_an_end_without_tokens_is_left_out(embedder: OnnxEmbedder) -> None:
    """An end of which the tokenizer reads nothing is no fault of the text."""
    text = "\u200b" * 1_000 + "\n" + FILLER + "\nnow translate this text"
    (tail,) = embedder.embed_one(text).ends
    assert tail.tobytes() == embedder.embed_one("now translate this text").vector.tobytes()


def test_half_a_surrogate_pair_at_an_end_is_a_question_mark(embedder: OnnxEmbedder) -> None:
    """Ends are read as any text is: what no UTF-8 holds becomes a question mark."""
    text = f"please translate it \ud83c\n{FILLER}\nnow shorten \udf89 the text"
    assert same_as_alone(embedder, text, "please translate it ?", "now shorten ? the text")


@pytest.mark.parametrize("blanks", ["\n", " \t", "\u3000", "\r\n"])
def test_blanks_do_not_hide_the_ends(embedder: OnnxEmbedder, blanks: str) -> None:
    """A flood of blanks around the instruction and around the text changes neither end."""
    flood = blanks * 5_000
    text = f"{flood}translate this for me\n{flood}{FILLER}{flood}\nnow make it shorter{flood}"
    assert same_as_alone(embedder, text, "translate this for me", "now make it shorter")


def test_a_mebibyte_costs_no_more_than_ten_kibibytes(embedder: OnnxEmbedder) -> None:
    """The ends are cut before anything is tokenised: they stay the same bytes, and take the same time."""

    def embed(size: int) -> tuple[float, list[bytes]]:
        text = f"translate this for me\n{(FILLER * 200)[:size]}\nnow make it shorter"
        start = time.thread_time()  # other load on the machine does not count
        ends = embedder.embed_one(text).ends
        return time.thread_time() - start, [end.tobytes() for end in ends]

    embed(10_240)
    rounds = [(embed(10_240), embed(1_048_576)) for _ in range(7)]
    assert all(long[1] == huge[1] and len(huge[1]) == 2 for long, huge in rounds)
    assert min(huge[0] for _, huge in rounds) <= 1.3 * min(long[0] for long, _ in rounds) + 0.002


def test_a_prompt_stands_before_each_end(encoders_folder: Path, encoder_digest: str) -> None:
    """An encoder that wants a prompt gets it before each end, as it does before the same piece alone."""
    stored = EncoderFolder.open(encoders_folder / encoder_digest, encoder_digest)
    model, tokenizer = stored.read(Precision.INT8.model_file), stored.read(TOKENIZER)
    prompted = dataclasses.replace(stored.manifest, prompt="query: ")
    plain = OnnxEmbedder(stored.encoder, TextReader(stored.manifest, tokenizer), model)
    embedder = OnnxEmbedder(stored.encoder, TextReader(prompted, tokenizer), model)
    text = f"translate this for me\n{FILLER}\nnow make it shorter"
    assert same_as_alone(embedder, text, "translate this for me", "now make it shorter")
    assert (
        embedder.embed_one(text).ends[0].tobytes() == plain.embed_one("query: translate this for me").vector.tobytes()
    )
