"""Listening: how a gRPC server takes its address."""

import grpc

from fingerpost.errors import ErrorReason, FailedPrecondition
from fingerpost.rpc.tls import certificates_of
from fingerpost.settings import Settings


def bind(server: grpc.aio.Server, listen: str, settings: Settings) -> str:
    """Take HOST:PORT, with TLS where the settings say so, and tell which it became.

    Raises:
        FailedPrecondition: ADDRESS_UNAVAILABLE.
        InvalidRequest: see `rpc.tls.certificates_of`.
    """
    certificates = certificates_of(settings, listen)
    try:
        if certificates is None:
            port = server.add_insecure_port(listen)
        else:
            port = server.add_secure_port(listen, certificates.credentials())
    except RuntimeError as error:
        raise FailedPrecondition(
            f"cannot listen on {listen}: the address is taken or not of this machine: "
            "choose another with --listen HOST:PORT",
            ErrorReason.ADDRESS_UNAVAILABLE,
        ) from error
    return f"{listen.rpartition(':')[0]}:{port}"
