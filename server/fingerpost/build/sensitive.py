"""Sensitive: does a text hold a secret or personal data, and how can it be shown without?

Keys are known by their published prefixes and lengths, numbers by their check digits, so that little else is taken for
them. Every pattern is of linear shape: it begins where no run of its own characters is under way, or is bounded. What
standards and makers reserve for examples is nobody's: it is let through.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Nature(StrEnum):
    SECRET = "secret"  # noqa: S105  a word, no secret
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class _Sort:
    """A sort of sensitive text: what it is called, how it looks, and what a match must pass beside that."""

    name: str
    nature: Nature
    pattern: re.Pattern[str]
    genuine: Callable[[str], bool]
    sign: str  # every match holds it: a text without it is not searched


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A text with what is sensitive replaced by its name in brackets, and these names in the order of their sorts."""

    shown: str
    secrets: tuple[str, ...]
    personal: tuple[str, ...]


def disclosed(text: str) -> Disclosed:
    """What a text discloses; `shown` holds no character of it."""
    found: dict[Nature, list[str]] = {nature: [] for nature in Nature}
    for sort in _SORTS:
        if sort.sign in text:
            text, count = _replaced(sort, text)
            if count:
                found[sort.nature].append(sort.name)
    return Disclosed(text, tuple(dict.fromkeys(found[Nature.SECRET])), tuple(dict.fromkeys(found[Nature.PERSONAL])))


def discloses(text: str) -> bool:
    """Whether a text holds anything of the sort."""
    found = disclosed(text)
    return bool(found.secrets or found.personal)


def masked(text: str) -> str:
    """The text as a message may show it."""
    return disclosed(text).shown


def _replaced(sort: _Sort, text: str) -> tuple[str, int]:
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        if not sort.genuine(match[0]):
            return match[0]
        count += 1
        return f"[{sort.name}]"

    return sort.pattern.sub(replace, text), count


# --- What a match must pass ---------------------------------------------------------------------------------------

_PLACEHOLDER_WORDS = ("example", "your", "placeholder", "redacted", "dummy", "sample")
_MIN_DISTINCT = 8  # characters of a random key; "sk-xxxxxxxx" and "ghp_000000" are placeholders


def _random(token: str) -> bool:
    """Whether a key looks drawn at random: digits among letters, many different characters, no word of examples."""
    lowered = token.lower()
    return (
        any(character.isdigit() for character in token)
        and len(set(lowered)) >= _MIN_DISTINCT
        and not any(word in lowered for word in _PLACEHOLDER_WORDS)
    )


_PLACEHOLDER_PASSWORDS = {"password", "passwd", "pass", "pwd", "pw", "secret", "token", "changeme", "apikey", "api_key"}


def _password(match: str) -> bool:
    password = match.partition(":")[2]
    plain = len(set(password)) > 1 and not set(password) & set("<>{}[]$*%")
    return plain and password.lower() not in _PLACEHOLDER_PASSWORDS


_RESERVED_DOMAINS = re.compile(r"(?:^|\.)(?:example(?:\.[a-z]{2,3}){0,2}|test|invalid|localhost|local)$")  # RFC 2606
_NOBODY = {"git", "noreply", "no-reply", "user", "username", "name", "you", "your.name", "email", "someone"}


def _mailbox(address: str) -> bool:
    local, _, domain = address.lower().rpartition("@")
    last = domain.rpartition(".")[2]
    return last.isalpha() and len(last) > 1 and local not in _NOBODY and not _RESERVED_DOMAINS.search(domain)


_IBAN_LENGTHS: Mapping[str, int] = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB PL",
        29: "BR PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country: ISO 13616, the registry of SWIFT."""


def _iban(match: str) -> bool:
    """ISO 13616: the country's length, and the remainder 1 modulo 97 with the first four characters last."""
    number = match.replace(" ", "").upper()
    if len(number) != _IBAN_LENGTHS.get(number[:2]):
        return False
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1


_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
"""First digits and lengths of the large card networks: ISO/IEC 7812."""


def _card(match: str) -> bool:
    digits = [int(character) for character in match if character.isdigit()]
    if not _CARDS.fullmatch("".join(map(str, digits))):
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0  # Luhn 1960: ISO/IEC 7812-1, annex B


_FICTION = re.compile(r"1\d{3}55501\d\d|44(?:207946|1632960|7700900)\d+")  # numbers that are kept for films and manuals


def _phone(match: str) -> bool:
    digits = "".join(character for character in match if character.isdigit())
    return 9 <= len(digits) <= 15 and len(set(digits)) > 3 and not _FICTION.fullmatch(digits)  # ITU-T E.164


def _always(match: str) -> bool:
    return bool(match)


# --- The sorts, in the order in which they are looked for ------------------------------------------------------------

_W = r"(?<![A-Za-z0-9_-])"  # where no run of a key's characters is under way


def _key(name: str, sign: str, pattern: str) -> _Sort:
    return _Sort(name, Nature.SECRET, re.compile(_W + pattern), _random, sign)


_SORTS = (
    _Sort(
        "private key",
        Nature.SECRET,
        re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*"),  # to the end: the key follows
        _always,
        "PRIVATE KEY-----",
    ),
    _key("JSON web token", "eyJ", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    _key("API key", "sk-", r"sk-[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic and those that follow them
    _key("API key", "k_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),  # Stripe
    _key("API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),  # Google
    _key("GitHub token", "gh", r"gh[pousr]_[A-Za-z0-9]{36,}"),
    _key("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,}"),
    _key("GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
    _key("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
    _key("Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _key("AWS access key", "A", r"A(?:KI|SI)A[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _Sort(
        "bearer token",
        Nature.SECRET,
        re.compile(r"(?<![A-Za-z0-9])[Bb](?:earer|EARER)[ \t]{1,8}[A-Za-z0-9._~+/-]{20,}={0,2}"),
        _random,
        " ",
    ),
    _Sort("password", Nature.SECRET, re.compile(r"(?<=://)[^\s/:@]{1,64}:[^\s/@]{1,128}(?=@)"), _password, "://"),
    _Sort(
        "key in an address",
        Nature.SECRET,
        re.compile(r"[?&](?:api_?key|access_token|auth_token|token|key|secret)=[A-Za-z0-9_.-]{16,}"),
        lambda match: _random(match.partition("=")[2]),
        "=",
    ),
    _Sort(
        "e-mail address",
        Nature.PERSONAL,
        re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
        _mailbox,
        "@",
    ),
    _Sort(
        "bank account",
        Nature.PERSONAL,
        re.compile(
            r"(?<![A-Za-z0-9])(?:"
            + "|".join(
                f"(?:{country}|{country.lower()})" + r"\d\d(?: ?[A-Za-z0-9]){" + str(length - 4) + "}"
                for country, length in sorted(_IBAN_LENGTHS.items())
            )
            + r")(?![A-Za-z0-9])"
        ),
        _iban,
        "",
    ),
    _Sort(
        "card number",
        Nature.PERSONAL,
        re.compile(r"(?<![\d.,])(?<!\d[ -])\d(?:[ -]?\d){12,18}(?![ -]?\d)"),
        _card,
        "",
    ),
    _Sort(
        "phone number",
        Nature.PERSONAL,
        re.compile(r"(?<![\w+.])\+[1-9]\d{0,2}(?:[ ().-]{0,2}\d){6,13}(?!\d)"),
        _phone,
        "+",
    ),
)
