"""Ids of decisions: ids that were given out stay readable, and what they cannot tell is refused."""

import pytest

from fingerpost.serve.decision_id import (
    KEY_DIGITS,
    MAX_ACCOUNT,
    MAX_DEBITS,
    MAX_DIGITS,
    MAX_USD_MICROS,
    MIN_DIGITS,
    SECRET_BYTES,
    Claims,
    DecisionIds,
    name_hash,
    new_key,
)
from fingerpost.types import Debit

KEY = bytes(range(SECRET_BYTES))
PLAIN = Claims("0123456789abcdef01234567", 1_700_000_000, name_hash("default"))
FULL = Claims(
    "fedcba987654321001234567",
    1_700_000_001,
    name_hash("support"),
    name_hash("code"),
    name_hash("smaller-coder/small"),
    "0badcafe",
    (Debit(3, 12_345), Debit(4_000_000_000, 12_345)),
    fell_back=True,
)
GOLDEN = {
    "0123456789abcdef0123456706553f100c522b539ff5ecccec574": PLAIN,
    "fedcba987654321001234567f6553f10190403c0d5820e0a3bb89c2460badcafe2000000303900000003ee6b2800c6665baf2321": FULL,
}


def test_ids_that_were_given_out_stay_readable() -> None:
    """Of a fixed key, as they were written down when the format was made: a change of it must read them too."""
    ids = DecisionIds(KEY)
    assert {name: ids.read(name, "acme") for name in GOLDEN} == GOLDEN
    assert [ids.name(claims, "acme") for claims in GOLDEN.values()] == list(GOLDEN)


def test_a_key_that_is_adopted_keeps_earlier_ids() -> None:
    """New ones are of the new key, which others have too; adopting it again changes nothing."""
    ids, others = DecisionIds(), DecisionIds(KEY)
    before = ids.name(PLAIN, "")
    assert others.read(before, "") is None
    for _ in range(2):
        ids.adopt(KEY)
        assert ids.key == KEY
        after = ids.name(PLAIN, "")
        assert ids.read(before, "") == ids.read(after, "") == others.read(after, "") == PLAIN
    assert before != after


def test_without_a_key_nobody_else_knows_them() -> None:
    """Nor does another start of the same process."""
    assert DecisionIds().read(DecisionIds().name(PLAIN, ""), "") is None


def test_the_shortest_and_the_longest() -> None:
    """The bounds that requests are checked by are those that can be reached."""
    ids = DecisionIds(KEY)
    assert len(ids.name(PLAIN, "")) == MIN_DIGITS
    debits = tuple(Debit(MAX_ACCOUNT, MAX_USD_MICROS) for _ in range(MAX_DEBITS))
    longest = Claims(new_key(), 0, "0" * 8, "0" * 8, "0" * 8, "0" * 8, debits)
    assert len(ids.name(longest, "")) == MAX_DIGITS
    assert ids.read(ids.name(longest, ""), "") == longest


@pytest.mark.parametrize(
    "debits",
    [
        tuple(Debit(number, 1) for number in range(MAX_DEBITS + 1)),
        (Debit(1, MAX_USD_MICROS + 1),),
        (Debit(1, -1),),
        (Debit(1, 5), Debit(2, 6)),
        (Debit(MAX_ACCOUNT + 1, 1),),
        (Debit(-1, 1),),
    ],
)
def test_more_than_an_id_can_tell(debits: tuple[Debit, ...]) -> None:
    """Too many, too much, different amounts, or an account of too large a number."""
    with pytest.raises(ValueError, match="more than an id can tell"):
        DecisionIds(KEY).name(Claims(new_key(), 0, "0" * 8, debits=debits), "")


def test_keys_of_decisions_differ() -> None:
    """24 random digits each."""
    keys = {new_key() for _ in range(1_000)}
    assert len(keys) == 1_000
    assert {len(key) for key in keys} == {KEY_DIGITS}


def test_names_of_any_script_have_a_hash() -> None:
    """8 digits, always the same."""
    assert name_hash("default") == name_hash("default") != name_hash("Default")
    assert {len(name_hash(name)) for name in ("", "ß/é", "a" * 1_000)} == {8}
