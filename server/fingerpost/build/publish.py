"""Publish: freeze what was built under the digest of its content. What is published never changes."""

import numpy as np
from numpy.typing import NDArray

from fingerpost.ports import RevisionStore
from fingerpost.serve.revision_format import MANIFEST, decode, digest_of, encode
from fingerpost.types import Decider, EncoderId, Exemplar, Head


def publish(
    store: RevisionStore,
    encoder: EncoderId,
    exemplars: tuple[Exemplar, ...],
    index_kind: str,
    index_bytes: bytes,
    head: Head | None,
    decider: Decider,
    report: bytes,
    linears: NDArray[np.float32] | None = None,
) -> str:
    """Store a revision, read it back as a server would, and return its digest.

    Raises:
        StorageFull: nothing was published.
        DataLoss: what was stored is not what was written.
    """
    files = encode(encoder, exemplars, index_kind, index_bytes, head, decider, report, linears)
    digest = digest_of(files[MANIFEST])
    store.publish(digest, files)
    decode(digest, store.read(digest))
    return digest
