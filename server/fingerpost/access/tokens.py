"""Tokens: `fp_ID_SECRET`. The file of access keeps a salted, slow hash of the secret: who reads it can use nothing."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

_SECRET_BYTES = 32
_ID_BYTES = 6
_SALT_BYTES = 16
# scrypt with 16 MiB of memory (RFC 7914): about 40 ms. The secret has 256 bits, so nobody guesses it at any speed; what
# the slowness protects are secrets that somebody made up by hand.
_COST, _BLOCK, _LANES = 16_384, 8, 1
_MOST_COST, _MOST_BLOCK, _MOST_LANES = 131_072, 16, 4
_HASH = re.compile(r"scrypt:(\d{1,7}):(\d{1,3}):(\d{1,2}):([A-Za-z0-9_-]{22,86}):([A-Za-z0-9_-]{43})")
_TOKEN = re.compile(r"fp_([a-z0-9]{1,32})_([A-Za-z0-9_-]{16,128})")


@dataclass(frozen=True, slots=True)
class Made:
    """A new token; it is told once."""

    id: str
    token: str
    hash: str


def make() -> Made:
    """A token of 256 random bits."""
    token_id = secrets.token_hex(_ID_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return Made(token_id, f"fp_{token_id}_{secret}", hashed(secret))


def split(token: str) -> tuple[str, str] | None:
    """Id and secret; None for what is no token of ours."""
    found = _TOKEN.fullmatch(token)
    return (found[1], found[2]) if found else None


def hashed(secret: str) -> str:
    """A salted hash that tells how it was made; takes about 40 ms."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(secret, salt, _COST, _BLOCK, _LANES)
    return f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{_text(salt)}:{_text(digest)}"


def is_hash(text: str) -> bool:
    """Whether `holds` can read it, and would not take for ever."""
    found = _HASH.fullmatch(text)
    if found is None:
        return False
    cost, block, lanes = (int(found[place]) for place in (1, 2, 3))
    fits = 2 <= cost <= _MOST_COST and 1 <= block <= _MOST_BLOCK and 1 <= lanes <= _MOST_LANES
    return fits and cost & (cost - 1) == 0


def holds(secret: str, kept: str) -> bool:
    """Whether the hash is of that secret, in a time that does not tell how much of it is right.

    Args:
        secret: As it was sent.
        kept: For which `is_hash` holds.
    """
    _, cost, block, lanes, salt, digest = kept.split(":")
    found = _scrypt(secret, _bytes(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(found, _bytes(digest))


NOBODYS = f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{'A' * 22}:{'A' * 43}"
"""A hash of no secret: an unknown id takes as long as a known one."""


def _scrypt(secret: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    memory = 128 * cost * block * lanes + 1_048_576
    return hashlib.scrypt(secret.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=memory, dklen=32)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
