"""Connecting: a client with what the options say of certificates."""

from pathlib import Path

import grpc

from fingerpost.client import Client
from fingerpost.errors import InvalidRequest


def connect(target: str, ca: Path | None, certificate: Path | None, key: Path | None, token: str) -> Client:
    """Plain text without an authority; with one the server must prove who it is.

    Raises:
        InvalidRequest: see `credentials_of`; or a token in plain text.
    """
    return Client(target, credentials=credentials_of(ca, certificate, key), token=token)


def credentials_of(ca: Path | None, certificate: Path | None, key: Path | None) -> grpc.ChannelCredentials | None:
    """For TLS; None without an authority.

    Raises:
        InvalidRequest: a certificate without its key, or without the server's authority.
    """
    if (certificate is None) != (key is None):
        raise InvalidRequest("--certificate and --key belong together: give both")
    if ca is None:
        if certificate is not None:
            raise InvalidRequest("--certificate needs --ca, the authority of the server's certificate")
        return None
    own = (key.read_bytes(), certificate.read_bytes()) if key and certificate else (None, None)
    return grpc.ssl_channel_credentials(ca.read_bytes(), *own)
