"""Misspelled words are read as the catalog's own, and nothing else is changed."""

import string

from hypothesis import given, strategies as st

from fingerpost.serve.spell import MAX_CHARS, MAX_MENDED_CHARS, Speller, is_slip

UTTERANCES = [
    "please transfer money to my account",
    "transfer the balance of my card",
    "what's the weather in Zürich",
    "form a queue for tickets",
    "money from abroad",
]
WHOLE = frozenset(("hello", "from", "form", "is", "the"))
SPELLER = Speller(UTTERANCES, WHOLE.__contains__)
LETTERS = st.text("ab", max_size=9) | st.text("abcd", max_size=5)


def mended_by(speller: Speller, text: str) -> str:
    return speller.read(text).text


def mended(text: str) -> str:
    return mended_by(SPELLER, text)


def one_slip_away(word: str) -> set[str]:
    """The slow, obvious twin: every word that one slip makes of this one."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    fewer = {a + b[1:] for a, b in splits if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    other = {a + c + b[1:] for a, b in splits if b for c in string.ascii_lowercase}
    more = {a + c + b for a, b in splits for c in string.ascii_lowercase}
    inner = fewer | more | (other if len(word) >= 8 else set())
    return (swapped | {w for w in inner if (w[:1], w[-1:]) == (word[:1], word[-1:])}) - {word}


@given(word=LETTERS, other=LETTERS)
def test_a_slip_is_one_letter_more_less_other_or_two_swapped(word: str, other: str) -> None:
    """The quick test agrees with the twin that makes every slip, in both directions."""
    assert is_slip(word, other) == (other in one_slip_away(word))
    assert is_slip(word, other) == is_slip(other, word)


@given(data=st.data())
def test_a_slip_in_a_word_is_read_as_the_word(data: st.DataObject) -> None:
    """Among words so different that one slip leads back to one of them only."""
    meant = data.draw(st.sampled_from(["transfer", "balance", "account", "weather"]))
    slip = data.draw(st.sampled_from(sorted(one_slip_away(meant))))
    assert mended(f"the {slip} is") == f"the {meant} is"


def test_what_is_known_stays() -> None:
    """Utterances, words that the encoder knows, and what is no word."""
    for text in (*UTTERANCES, *(text.upper() for text in UTTERANCES), "hello", "is the form from", "", "  ", "42 ?"):
        assert mended(text) == text


@given(text=st.text(max_size=60))
def test_any_text_is_read_and_reading_it_again_changes_nothing(text: str) -> None:
    """Whatever the text, nothing is raised and a mended text is not mended further."""
    once = mended(text)
    assert mended(once) == once


def test_the_case_of_letters_stays() -> None:
    """A capital or a shout is written as before."""
    assert mended("Tranfser the money") == "Transfer the money"
    assert mended("TRANFSER THE MONEY") == "TRANSFER THE MONEY"


def test_parts_of_names_paths_and_addresses_stay() -> None:
    """What is glued to signs or digits may be meant to the letter."""
    for text in ("see tranfser_money", "see /tmp/tranfser", "ask me@tranfser.com", "run tranfser.py", "it's acount2"):
        assert mended(text) == text


def test_of_several_words_the_most_used_is_meant() -> None:
    """By the number of utterances, then by the alphabet."""
    speller = Speller(["bird here", "bred here", "bred there"], WHOLE.__contains__)
    assert mended_by(speller, "the brd") == "the bred"
    assert mended_by(Speller(["bred here", "bird here"], WHOLE.__contains__), "the brd") == "the bird"


def test_short_words_stay_unless_a_letter_is_missing() -> None:
    """Three letters are one slip away from too many words."""
    speller = Speller(["a cat on the card"], WHOLE.__contains__)
    assert mended_by(speller, "the cet") == "the cet"
    assert mended_by(speller, "the crd") == "the card"


def test_a_text_of_unknown_words_is_another_language() -> None:
    """More than a third unknown is no slip; a single word may be one."""
    assert mended("tranfser acount the is") == "tranfser acount the is"
    assert mended("acount") == "account"


def test_long_texts_stay() -> None:
    """Beyond the limit nothing is mended."""
    text = "tranfser the money " + "is " * MAX_CHARS
    assert mended(text) == text


def test_rare_words_stay() -> None:
    """Another ending, another first letter, or another letter in a short word make another word."""
    speller = Speller(["others charged the call above", "make a postcode"], WHOLE.__contains__)
    for text in ("the otters", "the charger", "is the abode", "bake the", "the postcodes", "the calc"):
        assert mended_by(speller, text) == text


def test_in_many_words_nothing_is_mended() -> None:
    """Up to the limit a slip is mended, beyond it not."""
    text = "tranfser " + "the " * 80
    assert mended(text[:MAX_MENDED_CHARS]).startswith("transfer")
    assert mended(text.ljust(MAX_MENDED_CHARS + 1)) == text.ljust(MAX_MENDED_CHARS + 1)


def test_a_catalog_without_words_changes_nothing() -> None:
    """There is nothing that could be meant."""
    assert mended_by(Speller([], WHOLE.__contains__), "tranfser") == "tranfser"


KNOWING = Speller(
    ["transfer money please", "what is the weather"], WHOLE.union(["transfer", "money", "weather", "what"]).__contains__
)


def test_a_text_of_words_that_nobody_knows_is_foreign() -> None:
    """Other languages and scripts are, a single other word and no words are not."""
    assert KNOWING.read("wie wird das wetter morgen").foreign
    assert KNOWING.read("天気はどうですか").foreign
    assert not KNOWING.read("what is the weather morgen").foreign
    assert not KNOWING.read("").foreign
    assert not KNOWING.read("42").foreign


def test_words_that_the_encoder_knows_are_not_foreign() -> None:
    """They may be new to the catalog."""
    assert not KNOWING.read("hello from form hello from").foreign


def test_where_the_encoder_knows_few_of_the_catalogs_words_nothing_is_foreign() -> None:
    """A catalog in a language that the encoder was not made for."""
    speller = Speller(["wie wird das wetter", "was kostet das"], WHOLE.__contains__)
    assert not speller.read("brauche ich einen regenschirm").foreign


def test_where_a_character_is_a_word_it_is_no_slip() -> None:
    """To return a ticket is not to order one."""
    speller = Speller(["我要订火车票", "transfer money"], WHOLE.__contains__)
    assert mended_by(speller, "我要退火车票") == "我要退火车票"


def test_a_long_text_is_told_by_its_beginning() -> None:
    """Its language, though nothing in it is mended."""
    assert KNOWING.read("wie wird das wetter " * MAX_CHARS).foreign
