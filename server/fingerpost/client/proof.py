"""Proof: the token that a client sends with each call, never where others can read along."""

import ipaddress

import grpc

from fingerpost.errors import InvalidRequest

Metadata = tuple[tuple[str, str], ...]


def token_metadata(token: str | None, target: str, credentials: grpc.ChannelCredentials | None) -> Metadata | None:
    """What goes with each call; None without a token.

    Raises:
        InvalidRequest: the way to the target is plain text and leads off this machine, or that is no token.
    """
    if not token:
        return None
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InvalidRequest("the token has characters that no token has: give it as it was told, without quotes")
    if credentials is None and not _stays_here(target):
        raise InvalidRequest("a token goes over TLS alone, but to this machine: give credentials (--ca)")
    return (("authorization", f"Bearer {token}"),)


def _stays_here(target: str) -> bool:
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    scheme, _, rest = target.partition(":")
    addresses = rest.split(",") if scheme in ("ipv4", "ipv6") else [target]
    return all(map(_is_loopback, addresses))


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
