"""Secrets and personal data are found, shown by name alone, and not taken for what they are not."""

import pytest

from fingerpost.build.findings import quoted
from fingerpost.build.sensitive import disclosed, masked

BODY = "a8F3kQ9zT2mX7pL5wR1v"
"""Twenty characters as drawn at random; the keys below are put together here so that no scanner takes them for real."""

SECRETS = {
    "API key": [f"sk-{BODY}", f"sk-proj-{BODY}{BODY}", f"sk_live_{BODY}", "AIza" + (BODY * 2)[:35]],
    "GitHub token": [f"ghp_{BODY}{BODY}", f"github_pat_{BODY}_{BODY}"],
    "GitLab token": [f"glpat-{BODY}"],
    "Hugging Face token": [f"hf_{BODY}{BODY}"],
    "Slack token": [f"xoxb-{BODY}"],
    "AWS access key": ["AKIA" + BODY.upper()[:16]],
    "JSON web token": [f"eyJ{BODY}.eyJ{BODY}.{BODY}"],
    "bearer token": [f"Bearer {BODY}", f"bearer   {BODY}=="],
    "password": ["postgres://app:kX7-quartz@db.internal:5432/x"],
    "key in an address": [f"https://models.example.com/v1?api_key={BODY}"],
    "private key": [f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\n{BODY}\n-----END RSA PRIVATE KEY-----"],
}

PERSONAL = {
    "e-mail address": ["j.k+news@mail.gmx.net", "kim@university.ac.uk"],
    "bank account": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "fr1420041010050500013m02606"],
    "card number": ["4242 4242 4242 4242", "5555-5555-5555-4444", "378282246310005"],
    "phone number": ["+49 171 2345678", "+1 (415) 223-4567", "+81-3-1234-5678"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in SECRETS.items() for value in values])
def test_secrets_are_found_and_masked(name: str, value: str) -> None:
    """A key of a known shape is named, and neither the mask nor a message holds any part of its body."""
    found = disclosed(f"call the service with {value}")
    assert (found.secrets, found.personal) == ((name,), ())
    assert f"[{name}]" in found.shown
    for hidden in (BODY[:6], BODY.upper()[:6], "kX7", "Proc-Type"):
        assert hidden not in quoted(f"call the service with {value}") + found.shown


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in PERSONAL.items() for value in values])
def test_personal_data_is_found_and_masked(name: str, value: str) -> None:
    """Addresses and numbers with right check digits are named and replaced, wherever they stand in a sentence."""
    for text in (f"send it to {value}, please", value, f"({value})"):
        found = disclosed(text)
        assert (found.secrets, found.personal) == ((), (name,))
        assert found.shown == text.replace(value, f"[{name}]")


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn-compatible-estimators-of-ours",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-your-api-key-here-0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_000000000000000000000000000000000000",
        "https://user:password@db.example.org/x",
        "https://user:<token>@db.example.org/x",
        "postgres://app:${DB_PASSWORD}@db/x",
        "the bearer of this letter is my brother",
        "git@github.com:owner/project.git",
        "write to jo@example.com or jo@mail.example.org",
        "a decorator @app.route on a method",
        "DE89 3704 0044 0532 0130 01",
        "DE89 3704 0044 0532 0130",
        "4242 4242 4242 4243",
        "1234567812345670",
        "what is 12345678 + 98765432",
        "x = 3 +12",
        "call +1 415 555 0134 in the film",
        "order 4929-1234 came on 2024-03-11T08:14:02Z",
        "the hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_what_only_looks_so_is_let_through(text: str) -> None:
    """Placeholders, examples of standards, wrong check digits and ordinary text are no findings."""
    assert disclosed(text).shown == text


def test_several_are_all_found() -> None:
    """Each sort is named once, in a fixed order, and everything of it is masked."""
    found = disclosed(f"+49 171 2345678 a@b.net c@d.net sk-{BODY} ghp_{BODY}{BODY}")
    assert found.shown == "[phone number] [e-mail address] [e-mail address] [API key] [GitHub token]"
    assert found.secrets == ("API key", "GitHub token")
    assert found.personal == ("e-mail address", "phone number")


def test_a_secret_is_masked_before_a_message_is_shortened() -> None:
    """A key that reaches over the end of what a message quotes does not show its beginning."""
    assert BODY[:4] not in quoted("x" * 50 + f" ghp_{BODY}{BODY}")


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "eyJa.",
        "sk-",
        "Bearer ",
        "bearer\t",
        "://a:",
        "a@",
        "a.",
        "@a.",
        "DE89",
        "4242 ",
        "+4",
        "+",
        "ghp_",
        "1-",
    ],
)
def test_hostile_texts_end(piece: str) -> None:
    """Half a megabyte of the beginning of a pattern, again and again, is read in a moment."""
    text = piece * (500_000 // len(piece))
    assert masked(text)
