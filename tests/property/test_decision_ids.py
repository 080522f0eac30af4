"""Ids of decisions: what was put in comes out, for whom it was meant, and nothing else is taken for one."""

from hypothesis import given, settings, strategies as st

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
)
from fingerpost.types import Debit

IDS = DecisionIds(b"k" * SECRET_BYTES)
HEX = "0123456789abcdef"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=count, max_size=count)


@st.composite
def all_claims(draw: st.DrawFn) -> Claims:
    accounts = draw(st.lists(st.integers(0, MAX_ACCOUNT), max_size=MAX_DEBITS))
    amount = draw(st.integers(0, MAX_USD_MICROS))
    arm, unit = draw(st.tuples(digits(8), digits(8)) | st.just(("", "")))
    return Claims(
        key=draw(digits(KEY_DIGITS)),
        decided_s=draw(st.integers(0, 2**32 - 1)),
        catalog=draw(digits(8)),
        route=draw(digits(8) | st.just("")),
        arm=arm,
        unit=unit,
        debits=tuple(Debit(account, amount) for account in accounts),
        fell_back=draw(st.booleans()),
    )


tenants = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=200)
@given(all_claims(), tenants, tenants)
def test_what_is_named_is_read(claims: Claims, tenant: str, other: str) -> None:
    """By the same key and for the same tenant, within the bounds that the wire checks."""
    name = IDS.name(claims, tenant)
    assert IDS.read(name, tenant) == claims
    assert MIN_DIGITS <= len(name) <= MAX_DIGITS
    assert set(name) <= set(HEX)
    assert name.startswith(claims.key)
    assert (IDS.read(name, other) is None) == (other != tenant)
    assert DecisionIds(b"j" * SECRET_BYTES).read(name, tenant) is None


@settings(max_examples=40)
@given(all_claims(), st.sampled_from(["", "acme"]), st.data())
def test_every_digit_counts(claims: Claims, tenant: str, data: st.DataObject) -> None:
    """One other digit anywhere, one more or one less: it is no decision of ours."""
    name = IDS.name(claims, tenant)
    digit = data.draw(st.sampled_from(HEX))
    for place, was in enumerate(name):
        other = digit if digit != was else HEX[(HEX.index(was) + 1) % 16]
        assert IDS.read(name[:place] + other + name[place + 1 :], tenant) is None
        assert IDS.read(name[:place] + name[place + 1 :], tenant) is None
        assert IDS.read(name[:place] + digit + name[place:], tenant) is None
        assert IDS.read(name[:place] + was.upper() + name[place + 1 :], tenant) is None or not was.isalpha()


@given(st.text(max_size=200))
def test_anything_else_is_none_of_ours(text: str) -> None:
    """Whatever somebody sends, it is read without an error."""
    assert IDS.read(text, "") is None
